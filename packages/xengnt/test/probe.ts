/** A kernel with a grant table, whose calls the host makes. */
import { Evtchn, evtchn_data, evtchnText, upcallText } from '@port-xen/evtchn';
import { type KernelImage, leaf, type Text } from '@port-xen/kern';
import { st64 } from '@port-xen/layout';
import { type TestBase, testKernel } from '@tooling/guest-testbed';
import { Xengnt, xengnt_data } from '../src/index.ts';

interface Probe {
  readonly base: TestBase;
  readonly xengnt: Xengnt;
}

const text: Text<Probe> = {
  /** (page, readonly) → a reference of dom0's to one of the user's pages. */
  probe_grant: leaf((m, page, readonly) => {
    const pa = m.base.pmap.extract(0, m.base.userPages + page * 4096);
    return m.xengnt.grantAccess(0, m.base.pmap.mfnOf(pa), readonly !== 0);
  }),
  /** (count) → how many of so many references there were. */
  probe_take: leaf((m, count) => {
    const mfn = m.base.pmap.mfnOf(m.base.pmap.extract(0, m.base.userPages));
    for (let i = 0; i < count; i++) if (m.xengnt.grantAccess(0, mfn, true) < 0) return i;
    return count;
  }),
  probe_revoke: leaf((m, ref) => m.xengnt.revokeAccess(ref)),
  probe_in_use: leaf((m, ref) => (m.xengnt.inUse(ref) ? 1 : 0)),
  probe_transfer: leaf((m) => m.xengnt.grantTransfer(0)),
  probe_revoke_transfer: leaf((m, ref) => m.xengnt.revokeTransfer(ref)),
  probe_used: leaf((m) => m.xengnt.used),
  /** (page, value): a word of one of the pages. */
  probe_poke: leaf((m, page, value) =>
    st64(m.base.cpu.memory, m.base.userPages + page * 4096, value),
  ),
  /** (ref) → the first half of its entry: flags and domid. */
  probe_entry: leaf((m, ref) => m.base.cpu.memory.ld32(m.base.grantTable + 8 * ref)),
};

export const image: KernelImage = testKernel({
  modules: {
    evtchn: { data: evtchn_data, text: evtchnText },
    upcall: { text: upcallText },
    xengnt: { data: xengnt_data },
    probe: { text },
  },
  link: (base, at) => {
    const evtchn = new Evtchn(base.cpu, at('evtchn'), base.kern);
    const xengnt = new Xengnt(base.cpu, at('xengnt'), base.kern, base.pmap);
    const linked = {
      evtchn,
      upcall: { evtchn, sched: base.kern.sched },
      xengnt,
      probe: { base, xengnt },
    };
    return { evtchn, xengnt, linked };
  },
});
