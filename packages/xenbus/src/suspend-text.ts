/*
 * Suspend and resume of the connection (xenbus_xs.c, xenbus_comms.c).
 *
 * Both ends of a restored ring start empty, so nothing may be under way when the domain leaves: the suspend takes the request
 * slot, waiting for whoever has it to get the reply, and keeps it until the resume.
 */
import { call, done, goto, routine, type Text } from '@port-xen/kern';
import { struct, u32 } from '@port-xen/layout';
import type { Xenbus } from './xenbus.ts';
import { NWATCH, NXENBUSDEV } from './xenbus-data.ts';

const suspending = struct('xenbus_suspend_locals', { position: u32, pad: u32 });

export const suspendText: Text<Xenbus> = {
  /** Waits until no request is under way, keeps the slot, and lets go of the channel. */
  xenbus_suspend: routine(suspending, {
    lock: (m) => {
      if (!m.xs.tryLock()) return call('lock', m.cpu.sym('tsleep'), m.xs.lockChannel, 0);
      m.comms.disconnect();
      m.kern.msgbuf.printf(`xenbus0: suspended, store port ${m.comms.port} let go\n`);
      return done(1);
    },
  }),

  /**
   * (_, cancelled): takes the channel again. In a restored domain every path that leads to a back end is another one: they are read
   * anew, and every watch is registered anew, on the new paths.
   */
  xenbus_resume: routine(suspending, {
    start: (m, _, __, cancelled) => {
      if (cancelled === 0) m.forgetConnection();
      m.comms.connect();
      m.xs.unlock();
      if (cancelled !== 0) return done(1);
      return goto('device');
    },
    device: (m, l) => {
      const index = l.position++;
      if (index === NXENBUSDEV) {
        l.position = 0;
        return goto('watch');
      }
      const dev = m.devices.atIndex(index);
      if (dev === undefined) return goto('device');
      return call('found', m.cpu.sym('xenbus_read_otherend'), dev.address);
    },
    found: (m, l, result) => {
      const dev = m.devices.atIndex(l.position - 1);
      if (dev === undefined) return goto('device');
      if (result < 0) m.devices.setOtherend(dev, '', -1);
      const otherend = m.devices.otherendOf(dev);
      if (dev.xbusd_watch !== 0) {
        m.watches.setNode(dev.xbusd_watch, otherend === '' ? '' : `${otherend}/state`);
      }
      return goto('device');
    },
    watch: (m, l) => {
      const index = l.position++;
      if (index === NWATCH) return call('told', m.cpu.sym('shutdown_xenbus_features'));
      const w = m.watches.atIndex(index);
      // A device that this host does not have is not watched.
      if (w === undefined || m.watches.nodeOf(w.address) === '') return goto('watch');
      return call('watch', m.cpu.sym('xs_watch'), w.address);
    },
    told: (m) => {
      m.kern.msgbuf.printf(
        `xenbus0: store port ${m.comms.port}, ${m.watches.count} watches registered again\n`,
      );
      return done(1);
    },
  }),
};
