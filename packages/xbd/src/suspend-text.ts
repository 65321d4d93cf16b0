/*
 * A disk over a suspend and a resume.
 */
import { call, done, ENXIO, goto, routine, type Text } from '@port-xen/kern';
import { i64, struct, u32 } from '@port-xen/layout';
import type { Xbd } from './xbd.ts';
import { DRAIN_TICKS, XBD_CONNECTED, XBD_SUSPENDED } from './xbd-data.ts';
import type { XbdXenbus } from './xbd-xenbus.ts';

const draining = struct('xbd_drain_locals', { sc: i64, drained: u32, pad: u32 });
const suspending = struct('xbd_suspend_locals', { sc: i64, pad: i64 });

/** What both transports do first. */
export const drainText: Text<Xbd> = {
  /** (softc): waits for what is out, five seconds at most; what is not answered then is issued again after the restore. */
  xbd_drain: routine(draining, {
    start: (_, l, softc) => {
      l.sc = softc;
      return goto('drain');
    },
    drain: (m, l) => {
      const sc = m.at(l.sc);
      if (sc.sc_backend_status === XBD_CONNECTED && sc.sc_busy > 0 && l.drained < DRAIN_TICKS) {
        l.drained++;
        return call('drain', m.cpu.sym('tsleep'), m.idleChannel(sc), 1);
      }
      if (sc.sc_backend_status === XBD_CONNECTED) sc.sc_backend_status = XBD_SUSPENDED;
      return done();
    },
  }),
};

export const suspendText: Text<XbdXenbus> = {
  /** (softc): drained, and the handler gone. */
  xbd_xenbus_suspend: routine(suspending, {
    start: (m, l, softc) => {
      l.sc = softc;
      return call('drained', m.cpu.sym('xbd_drain'), softc);
    },
    drained: (m, l) => {
      const sc = m.at(l.sc);
      m.connection.silence(sc);
      m.kern.msgbuf.printf(
        `${m.nameOf(sc)}: suspended, port ${sc.sc_evtchn} let go, ${sc.sc_busy} requests unanswered\n`,
      );
      return done(1);
    },
  }),

  /** (softc, cancelled). */
  xbd_xenbus_resume: routine(suspending, {
    start: (m, _, softc, cancelled) => {
      const sc = m.at(softc);
      if (cancelled !== 0) {
        // The back end never lost the ring, and unmasking raises again what it answered meanwhile.
        if (sc.sc_backend_status === XBD_SUSPENDED) sc.sc_backend_status = XBD_CONNECTED;
        m.connection.listen(sc);
        m.start(sc);
        return done(1);
      }
      m.forgetHandles(sc);
      if (!m.xenbus.isPresent(sc.sc_xbusd)) {
        m.kern.msgbuf.printf(`${m.nameOf(sc)}: this host has no such disk\n`);
        m.fail(sc, ENXIO);
        return done(1);
      }
      return call('connected', m.cpu.sym('xbd_connect'), softc);
    },
    connected: (_, __, ok) => done(ok),
  }),
};
