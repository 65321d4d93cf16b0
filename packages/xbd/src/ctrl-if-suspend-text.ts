/*
 * A disk over a suspend and a resume, when its ring is the interface's: the channel is let go, and the ring forgotten, there.
 */
import { call, done, leaf, routine, type Text } from '@port-xen/kern';
import { i64, struct } from '@port-xen/layout';
import type { XbdCtrlIf } from './xbd-ctrl-if.ts';
import { XBD_CONNECTED, XBD_SUSPENDED } from './xbd-data.ts';

const suspending = struct('xbd_ctrl_if_suspend_locals', { sc: i64, pad: i64 });

export const ctrlIfSuspendText: Text<XbdCtrlIf> = {
  /** (softc): what is out is waited for. */
  xbd_suspend: routine(suspending, {
    start: (m, l, softc) => {
      l.sc = softc;
      return call('drained', m.cpu.sym('xbd_drain'), softc);
    },
    drained: (m, l) => {
      const sc = m.at(l.sc);
      m.kern.msgbuf.printf(`${m.nameOf(sc)}: suspended, ${sc.sc_busy} requests unanswered\n`);
      return done(1);
    },
  }),

  /** (softc, cancelled): after a restore the disk is Connected when the interface is, and has been probed. */
  xbd_resume: leaf((m, softc, cancelled) => {
    const sc = m.at(softc);
    if (cancelled !== 0 && sc.sc_backend_status === XBD_SUSPENDED) {
      sc.sc_backend_status = XBD_CONNECTED;
      m.start(sc);
    }
    return 1;
  }),
};
