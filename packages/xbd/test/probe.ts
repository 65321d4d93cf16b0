/*
 * A kernel with disks over xenbus.
 */
import { Evtchn, evtchn_data, evtchnText, upcallText } from '@port-xen/evtchn';
import { call, done, type KernelImage, leaf, routine, type Text } from '@port-xen/kern';
import {
  shutdownText,
  Xenbus,
  type XenbusDriver,
  xenbus_data,
  xenbusText,
  xsText,
} from '@port-xen/xenbus';
import { Xengnt, xengnt_data } from '@port-xen/xengnt';
import { testKernel } from '@tooling/guest-testbed';
import { XbdXenbus, xbd_data, xbdText } from '../src/index.ts';
import { type Probe, probe_data, probeText, working } from './probe-text.ts';

interface XenbusProbe extends Probe {
  readonly xengnt: Xengnt;
}

const text: Text<XenbusProbe> = {
  ...probeText,

  /** (hypervisor0). */
  probe_attach: routine(working, {
    start: (m, _, hypervisor) => {
      const bus = m.base.kern.autoconf.attach('xenbus0', hypervisor, 0);
      return call('done', m.base.cpu.sym('xenbus_attach'), bus.address);
    },
    done: () => done(),
  }),

  probe_grants: leaf((m) => m.xengnt.used),
  /** (count): takes so many references, for good. */
  probe_take: leaf((m, count) => {
    for (let i = 0; i < count; i++) if (m.xengnt.grantAccess(0, 1, true) < 0) return i;
    return count;
  }),
  /** (ticks): attaches a device that takes so long to be suspended, when the disks have been. */
  probe_attach_dozer: leaf((m, ticks) => {
    const { autoconf } = m.base.kern;
    const dv = autoconf.attach('dozer0', autoconf.devices()[0]?.address ?? 0, ticks);
    autoconf.pmfRegister(dv, m.base.cpu.sym('probe_dozer_suspend'), 0);
  }),
  probe_dozer_suspend: routine(working, {
    start: (m, _, ticks) => call('slept', m.base.cpu.sym('tsleep'), m.data, ticks),
    slept: () => done(1),
  }),
  /** Attaches a device that, when it is resumed, takes all references but so many. */
  probe_attach_greedy: leaf((m, left) => {
    const { autoconf } = m.base.kern;
    const hypervisor = autoconf.devices().find((dv) => autoconf.nameOf(dv) === 'hypervisor0');
    const dv = autoconf.attach('greedy0', hypervisor?.address ?? 0, left);
    autoconf.pmfRegister(dv, 0, m.base.cpu.sym('probe_greedy_resume'));
  }),
  probe_greedy_resume: leaf((m, left) => {
    const refs: number[] = [];
    for (let ref = m.xengnt.grantAccess(0, 1, true); ref >= 0; ) {
      refs.push(ref);
      ref = m.xengnt.grantAccess(0, 1, true);
    }
    for (const ref of refs.slice(0, left)) m.xengnt.revokeAccess(ref);
    return 1;
  }),
};

const DRIVERS: readonly XenbusDriver[] = [
  { type: 'vbd', attach: 'xbd_xenbus_attach', changed: 'xbd_backend_changed' },
];

export const image: KernelImage = testKernel({
  attach: 'probe_attach',
  modules: {
    evtchn: { data: evtchn_data, text: evtchnText },
    upcall: { text: upcallText },
    xengnt: { data: xengnt_data },
    xenbus: { data: xenbus_data, text: { ...xsText, ...xenbusText, ...shutdownText } },
    xbd: { data: xbd_data, text: xbdText },
    probe: { data: probe_data, text },
  },
  link: (base, at) => {
    const { cpu, kern, pmap } = base;
    const evtchn = new Evtchn(cpu, at('evtchn'), kern);
    const xengnt = new Xengnt(cpu, at('xengnt'), kern, pmap);
    const xenbus = new Xenbus(cpu, at('xenbus'), kern, evtchn, base, DRIVERS);
    const xbd = new XbdXenbus(cpu, at('xbd'), kern, evtchn, xengnt, pmap, base, xenbus);
    const linked = {
      evtchn,
      upcall: { evtchn, sched: kern.sched },
      xengnt,
      xenbus,
      xbd,
      probe: { base, xengnt, xbd, data: at('probe') },
    };
    return { evtchn, xengnt, shutdown: xenbus, linked };
  },
});
