/*
 * A kernel with interfaces that xenstore tells of, over whatever stack a test brings: real events, grants, store and driver.
 */
import { Evtchn, evtchn_data, evtchnText, upcallText } from '@port-xen/evtchn';
import {
  call,
  done,
  type KernelImage,
  type Linked,
  type ModuleSpec,
  routine,
  type Text,
} from '@port-xen/kern';
import { struct, u64 } from '@port-xen/layout';
import { shutdownText, Xenbus, xenbus_data, xenbusText, xsText } from '@port-xen/xenbus';
import { Xengnt, xengnt_data } from '@port-xen/xengnt';
import { type TestBase, testKernel } from '@tooling/guest-testbed';
import { type NetworkStack, Xennet, xennet_data, xennetText } from '../src/index.ts';
import { flipPmap } from './flip-pmap.ts';
import { poolModules, poolUvm } from './pool.ts';

const DRIVERS = [
  { type: 'vif', attach: 'xennet_xenbus_attach', changed: 'xennet_backend_changed' },
];

/** What the tests' own text works on. */
export interface Probe<Stack> {
  readonly base: TestBase;
  readonly xengnt: Xengnt;
  readonly xennet: Xennet;
  readonly stack: Stack;
}

/** The stack, and what else is the test's own. */
export interface VifKernel<Stack> {
  /** The stack's. */
  readonly modules: Readonly<Record<string, ModuleSpec>>;
  readonly probe: Text<Probe<Stack>>;
  stack(base: TestBase, at: (module: string) => number): Stack;
  /** As the driver has it. */
  driven(stack: Stack): NetworkStack;
  /** By module name. */
  linked(stack: Stack): Linked;
  /** Done before the first interface is attached. */
  init?(stack: Stack): void;
}

export const vifKernel = <Stack>(kernel: VifKernel<Stack>): KernelImage => {
  const probe: Text<Probe<Stack>> = {
    ...kernel.probe,
    test_attach: routine(struct('test_attaching', { pad: u64 }), {
      start: ({ base, stack }, _, hypervisor) => {
        kernel.init?.(stack);
        const bus = base.kern.autoconf.attach('xenbus0', hypervisor, 0);
        return call('done', base.cpu.sym('xenbus_attach'), bus.address);
      },
      done: () => done(),
    }),
  };
  return testKernel({
    attach: 'test_attach',
    modules: {
      evtchn: { data: evtchn_data, text: evtchnText },
      upcall: { text: upcallText },
      xengnt: { data: xengnt_data },
      xenbus: { data: xenbus_data, text: { ...xsText, ...xenbusText, ...shutdownText } },
      xennet: { data: xennet_data, text: xennetText },
      ...kernel.modules,
      ...poolModules,
      probe: { text: probe },
    },
    link: (base, at) => {
      const { cpu, kern } = base;
      const pmap = flipPmap(base, kern);
      const evtchn = new Evtchn(cpu, at('evtchn'), kern);
      const xengnt = new Xengnt(cpu, at('xengnt'), kern, base.pmap);
      const xenbus = new Xenbus(cpu, at('xenbus'), kern, evtchn, base, DRIVERS);
      const uvm = poolUvm(cpu, at);
      const own = kernel.stack(base, at);
      const stack = kernel.driven(own);
      const parts = { cpu, kern, evtchn, xengnt, pmap, uvm, xenbus, stack };
      const xennet = new Xennet(at('xennet'), parts);
      const linked = {
        evtchn,
        upcall: { evtchn, sched: kern.sched },
        xengnt,
        xenbus,
        xennet,
        ...kernel.linked(own),
        probe: { base, xengnt, xennet, stack: own },
      };
      return { evtchn, xengnt, shutdown: xenbus, linked };
    },
  });
};
