import { Evtchn, evtchn_data, evtchnText, upcallText } from '@port-xen/evtchn';
import {
  call,
  done,
  type Kern,
  type KernelImage,
  leaf,
  PAGE_SIZE,
  routine,
  type Text,
} from '@port-xen/kern';
import { struct, u64 } from '@port-xen/layout';
import { shutdownText, Xenbus, xenbus_data, xenbusText, xsText } from '@port-xen/xenbus';
import { Xengnt, xengnt_data } from '@port-xen/xengnt';
import { type TestBase, testKernel } from '@tooling/guest-testbed';
import { Xennet, xennet_data, xennetText } from '../src/index.ts';
import { flipPmap } from './flip-pmap.ts';
import {
  pool_data,
  pool_pages,
  stack_clusters,
  stack_data,
  stackText,
  TestStack,
} from './test-stack.ts';

const DRIVERS = [
  { type: 'vif', attach: 'xennet_xenbus_attach', changed: 'xennet_backend_changed' },
];

/** What the tests ask of the kernel beside its stack. */
interface Probe {
  readonly base: TestBase;
  readonly kern: Kern;
  readonly xengnt: Xengnt;
  readonly xennet: Xennet;
}

const probeText: Text<Probe> = {
  test_nr_pages: leaf((m) => m.base.pmap.nrPages),
  test_grants: leaf((m) => m.xengnt.used),
  /** What an event of the back end's comes to. */
  test_event: leaf((m) => m.xennet.softintr()),
  test_attach: routine(struct('test_attaching', { pad: u64 }), {
    start: (m, _, hypervisor) => {
      const bus = m.kern.autoconf.attach('xenbus0', hypervisor, 0);
      return call('done', m.kern.autoconf.cpu.sym('xenbus_attach'), bus.address);
    },
    done: () => done(),
  }),
};

/** A kernel with interfaces and nothing to do with them. */
export const netKernel = (): KernelImage =>
  testKernel({
    attach: 'test_attach',
    modules: {
      evtchn: { data: evtchn_data, text: evtchnText },
      upcall: { text: upcallText },
      xengnt: { data: xengnt_data },
      xenbus: { data: xenbus_data, text: { ...xsText, ...xenbusText, ...shutdownText } },
      xennet: { data: xennet_data, text: xennetText },
      stack: { data: stack_data, text: stackText },
      clusters: { data: stack_clusters, align: PAGE_SIZE },
      pool: { data: pool_data },
      pool_pages: { data: pool_pages, align: PAGE_SIZE },
      probe: { text: probeText },
    },
    link: (base, at) => {
      const { cpu, kern } = base;
      const pmap = flipPmap(base, kern);
      const evtchn = new Evtchn(cpu, at('evtchn'), kern);
      const xengnt = new Xengnt(cpu, at('xengnt'), kern, base.pmap);
      const xenbus = new Xenbus(cpu, at('xenbus'), kern, evtchn, base, DRIVERS);
      const stack = new TestStack(cpu, at('stack'), at('clusters'));
      const uvm = {
        kmAlloc: (pages: number): number => {
          const pool = pool_data.at(cpu.memory, at('pool'));
          const address = at('pool_pages') + pool.used * PAGE_SIZE;
          pool.used += pages;
          return address;
        },
      };
      const parts = { cpu, kern, evtchn, xengnt, pmap, uvm, xenbus, stack };
      const xennet = new Xennet(at('xennet'), parts);
      const linked = {
        evtchn,
        upcall: { evtchn, sched: kern.sched },
        xengnt,
        xenbus,
        xennet,
        stack,
        probe: { base, kern, xengnt, xennet },
      };
      return { evtchn, xengnt, shutdown: xenbus, linked };
    },
  });
