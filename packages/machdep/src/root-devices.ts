/*
 * The devices that need no xenstore: what is under them is the machine's own (hypervisor.c, xencons.c, klog).
 */
import { copyout, EFAULT, leaf, type Text } from '@port-xen/kern';
import type { Machdep } from './machdep.ts';

export const rootDevicesText: Text<Machdep> = {
  /** (softc, offset, address, length): the message buffer, from the oldest byte that it has. */
  klog_read: leaf((m, _softc, offset, address, length) => {
    const text = m.kern.msgbuf.textFrom(0).subarray(offset, offset + length);
    return copyout(m.kern.cpu, address, text) ? text.length : -EFAULT;
  }),

  /** hypervisor0: no handler runs and no page table names a frame of Xen's. */
  hypervisor_suspend: leaf((m) => {
    m.evtchn.suspend();
    m.xengnt?.suspend();
    return 1;
  }),

  /** (_, cancelled). */
  hypervisor_resume: leaf((m, _, cancelled) => {
    const list = m.p2mFrameList.update();
    m.xengnt?.resume(cancelled !== 0);
    m.evtchn.init();
    const grants = m.xengnt === undefined ? '' : ', grant table mapped';
    m.kern.msgbuf.printf(`hypervisor0: p2m frame list at mfn 0x${list.toString(16)}${grants}\n`);
    return 1;
  }),

  xencons_suspend: leaf((m) => {
    m.console.suspend();
    return 1;
  }),

  xencons_resume: leaf((m) => {
    m.kern.msgbuf.printf(`xencons0: ${m.controlPath.resumeConsole()}\n`);
    return 1;
  }),
};
