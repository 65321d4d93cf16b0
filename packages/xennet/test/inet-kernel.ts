import { Evtchn, evtchn_data, evtchnText, upcallText } from '@port-xen/evtchn';
import { call, done, type Kern, type KernelImage, leaf, PAGE_SIZE, routine } from '@port-xen/kern';
import { struct, u64 } from '@port-xen/layout';
import {
  linkNetinet,
  type Netinet,
  netinetInit,
  netinetLinked,
  netinetModules,
} from '@port-xen/netinet';
import { shutdownText, Xenbus, xenbus_data, xenbusText, xsText } from '@port-xen/xenbus';
import { Xengnt, xengnt_data } from '@port-xen/xengnt';
import { testKernel } from '@tooling/guest-testbed';
import { Xennet, xennet_data, xennetText } from '../src/index.ts';
import { flipPmap } from './flip-pmap.ts';
import { pool_data, pool_pages } from './test-stack.ts';

const DRIVERS = [
  { type: 'vif', attach: 'xennet_xenbus_attach', changed: 'xennet_backend_changed' },
];

interface Probe {
  readonly kern: Kern;
  readonly net: Netinet;
  readonly xennet: Xennet;
}

/** A kernel whose interfaces carry the real stack. */
export const inetKernel = (): KernelImage =>
  testKernel({
    attach: 'test_attach',
    modules: {
      evtchn: { data: evtchn_data, text: evtchnText },
      upcall: { text: upcallText },
      xengnt: { data: xengnt_data },
      xenbus: { data: xenbus_data, text: { ...xsText, ...xenbusText, ...shutdownText } },
      xennet: { data: xennet_data, text: xennetText },
      ...netinetModules,
      pool: { data: pool_data },
      pool_pages: { data: pool_pages, align: PAGE_SIZE },
      probe: {
        text: {
          test_attach: routine(struct('test_attaching', { pad: u64 }), {
            start: (m: Probe, _, hypervisor) => {
              netinetInit(m.net, [0x1234_5678, 0x9abc_def0]);
              const bus = m.kern.autoconf.attach('xenbus0', hypervisor, 0);
              return call('done', m.kern.autoconf.cpu.sym('xenbus_attach'), bus.address);
            },
            done: () => done(),
          }),
          /** (address, netmask): of the first interface. */
          test_ifconfig: leaf((m: Probe, address, netmask) => {
            const { sc_ifp } = xennet_data.at(m.xennet.cpu.memory, m.xennet.data).softcs.at(0);
            m.net.ifconfig.configure(m.net.ifnets.at(sc_ifp), address, netmask, 0);
          }),
          test_mbufs: leaf((m: Probe) => m.net.mbufs.inUse),
        },
      },
    },
    link: (base, at) => {
      const { cpu, kern } = base;
      const pmap = flipPmap(base, kern);
      const evtchn = new Evtchn(cpu, at('evtchn'), kern);
      const xengnt = new Xengnt(cpu, at('xengnt'), kern, base.pmap);
      const xenbus = new Xenbus(cpu, at('xenbus'), kern, evtchn, base, DRIVERS);
      const uvm = {
        kmAlloc: (pages: number): number => {
          const pool = pool_data.at(cpu.memory, at('pool'));
          const address = at('pool_pages') + pool.used * PAGE_SIZE;
          pool.used += pages;
          return address;
        },
      };
      const names = Object.keys(netinetModules);
      const data = Object.fromEntries(
        names.flatMap((name) => (netinetModules[name]?.data ? [[name, at(name)]] : [])),
      );
      // A tick is 10 ms.
      const clock = { uptime_ns: () => kern.callout.ticks * 10e6 };
      const net = linkNetinet(cpu, data, kern, clock);
      const parts = { cpu, kern, evtchn, xengnt, pmap, uvm, xenbus, stack: net.inet };
      const xennet = new Xennet(at('xennet'), parts);
      const linked = {
        evtchn,
        upcall: { evtchn, sched: kern.sched },
        xengnt,
        xenbus,
        xennet,
        ...netinetLinked(net),
        probe: { kern, net, xennet },
      };
      return { evtchn, xengnt, shutdown: xenbus, linked };
    },
  });
