/*
 * The bus as text (xenbus_probe.c): what it attaches, and xenwatch.
 */
import { XenbusStateInitialising } from '@port-xen/abi';
import { call, done, goto, leaf, PRI_KTHREAD, routine, type Text } from '@port-xen/kern';
import { bytes, i64, struct, u32, u64 } from '@port-xen/layout';
import { numberOf, putString, XS_STRING_MAX } from './guest-string.ts';
import type { Xenbus } from './xenbus.ts';

const LIST_MAX = 1024;

const attaching = struct('xenbus_attach_locals', { pad: u64 });

const probing = struct('xenbus_probe_locals', {
  driver: u32,
  position: u32,
  device: i64,
  path: bytes(XS_STRING_MAX),
  value: bytes(XS_STRING_MAX),
  list: bytes(LIST_MAX),
});

const PATH = probing.offset.path;
const VALUE = probing.offset.value;
const LIST = probing.offset.list;

/** The device numbers in a directory's listing, ascending. */
const idsOf = (list: Uint8Array): number[] =>
  String.fromCharCode(...list)
    .split('\0')
    .map(numberOf)
    .filter((id) => id >= 0)
    .sort((a, b) => a - b);

export const busText: Text<Xenbus> = {
  xenbus_handler: leaf((m) => m.handler()),

  /** (xenbus0's device): the bus, its two services, its devices. */
  xenbus_attach: routine(attaching, {
    start: (m, _, bus) => {
      const { autoconf, sched } = m.kern;
      m.comms.connect();
      m.d.xb_device = bus;
      autoconf.pmfRegister(
        autoconf.at(bus),
        m.cpu.sym('xenbus_suspend'),
        m.cpu.sym('xenbus_resume'),
      );
      m.kern.msgbuf.printf(`xenbus0 at hypervisor0: store port ${m.comms.port}\n`);
      sched.create('xenwatch', m.cpu.sym('xenwatch_thread'), 0, PRI_KTHREAD);
      return call('probed', m.cpu.sym('xenbus_probe'));
    },
    probed: (m) =>
      call(
        'watched',
        m.cpu.sym('xs_watch'),
        m.watches.create('device', 'xenbus_devices_changed', 0),
      ),
    watched: (m) => call('asked', m.cpu.sym('shutdown_xenbus_setup')),
    asked: (m) => call('done', m.cpu.sym('sysrq_xenbus_setup')),
    done: () => done(),
  }),

  /** The lwp that runs watches' text, one event after the other. */
  xenwatch_thread: routine(attaching, {
    next: (m) => {
      const w = m.takeEvent();
      if (w === undefined) return call('next', m.cpu.sym('tsleep'), m.watches.eventChannel, 0);
      return call('next', w.w_func, w.w_arg, m.watches.currentPath);
    },
  }),

  /** The `device` watch: something was added. */
  xenbus_devices_changed: routine(attaching, {
    start: (m) => call('done', m.cpu.sym('xenbus_probe')),
    done: () => done(),
  }),

  /** Attaches every device of a type that has a driver and is not known yet. */
  xenbus_probe: routine(probing, {
    driver: (m, l) => {
      const driver = m.drivers[l.driver];
      if (driver === undefined) return done();
      putString(m.cpu.memory, l.address + PATH, `device/${driver.type}`);
      return call(
        'listed',
        m.cpu.sym('xs_directory'),
        0,
        l.address + PATH,
        l.address + LIST,
        LIST_MAX,
      );
    },
    listed: (_, l, result) => {
      if (result < 0) l.list = new Uint8Array(0);
      else l.list = l.list.subarray(0, Math.min(result, LIST_MAX));
      l.position = 0;
      return goto('next');
    },
    next: (m, l) => {
      const id = idsOf(l.list)[l.position];
      const driver = m.drivers[l.driver];
      if (id === undefined || driver === undefined) {
        l.driver++;
        return goto('driver');
      }
      l.position++;
      const path = `device/${driver.type}/${id}`;
      if (m.devices.isKnown(path)) return goto('next');
      const dev = m.devices.create(l.driver, id, path);
      if (dev === undefined) return goto('next');
      l.device = dev.address;
      putString(m.cpu.memory, l.address + PATH, `${path}/state`);
      return call(
        'state',
        m.cpu.sym('xs_read'),
        0,
        l.address + PATH,
        l.address + VALUE,
        XS_STRING_MAX,
      );
    },
    state: (m, l, result) => {
      const dev = m.devices.at(l.device);
      const state = result < 0 ? -1 : numberOf(m.text(l.address + VALUE));
      if (state !== XenbusStateInitialising) {
        dev.xbusd_used = 0;
        return goto('next');
      }
      return call('otherend', m.cpu.sym('xenbus_read_otherend'), l.device);
    },
    otherend: (m, l, result) => {
      const dev = m.devices.at(l.device);
      const driver = m.drivers[l.driver];
      if (result < 0 || driver === undefined) {
        dev.xbusd_used = 0;
        return goto('next');
      }
      return call('attached', m.cpu.sym(driver.attach), l.device);
    },
    attached: (m, l, softc) => {
      const dev = m.devices.at(l.device);
      if (softc === 0) {
        dev.xbusd_used = 0;
        return goto('next');
      }
      dev.xbusd_softc = softc;
      dev.xbusd_watch = m.watches.create(
        `${m.devices.otherendOf(dev)}/state`,
        'xenbus_otherend_changed',
        l.device,
      );
      return call('next', m.cpu.sym('xs_watch'), dev.xbusd_watch);
    },
  }),
};
