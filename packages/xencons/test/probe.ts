/** A kernel with a console, whose text and programs' text the host sees. */
import { xencons_interface } from '@port-xen/abi';
import { Evtchn, evtchn_data, evtchnText, upcallText } from '@port-xen/evtchn';
import { call, done, type KernelImage, leaf, routine, type Text } from '@port-xen/kern';
import { struct, u64 } from '@port-xen/layout';
import { type TestBase, testKernel, USER_BASE } from '@tooling/guest-testbed';
import { Xencons, xencons_softc, xenconsText } from '../src/index.ts';

interface Probe {
  readonly base: TestBase;
  readonly xencons: Xencons;
}

/** What the n-th numbered piece of text is: `<17>`. */
export const piece = (n: number): string => `<${n}>`;

const text: Text<Probe> = {
  /** (from, to): the kernel prints pieces. */
  probe_print: leaf((m, from, to) => {
    for (let n = from; n < to; n++) m.base.kern.msgbuf.printf(piece(n));
  }),
  /** (from, to) → bytes: puts pieces where the user's memory starts. */
  probe_compose: leaf((m, from, to) => {
    let at = USER_BASE;
    for (let n = from; n < to; n++) {
      for (const char of piece(n)) m.base.cpu.memory.st8(at++, char.charCodeAt(0));
    }
    return at - USER_BASE;
  }),
  /** (bytes): an lwp that writes what was composed, as a program does. */
  probe_write: routine(struct('probe_writing', { pad: u64 }), {
    start: (m, _, length) =>
      call('wrote', m.base.cpu.sym('xencons_write'), 0, 0, USER_BASE, length),
    wrote: (m, _, moved) => {
      m.base.kern.msgbuf.printf(`wrote ${moved}\n`);
      return done();
    },
  }),
  /** The back end's event. */
  probe_poll: leaf((m) => m.xencons.handler()),
  probe_byte: leaf((m, i) => m.base.cpu.memory.ld8(USER_BASE + i)),
  probe_room: leaf((m) => m.xencons.room),
  probe_port: leaf((m) => m.xencons.softc.xc_port),
  probe_drained: leaf((m) => (m.xencons.drained ? 1 : 0)),
  probe_waiting_input: leaf((m) => m.xencons.queues.inq_tail - m.xencons.queues.inq_head),
  /** (types): attaches a device that is suspended after the console and resumed after it. */
  probe_attach_late: leaf((m, types) => {
    const { autoconf } = m.base.kern;
    const hypervisor = autoconf.devices().find((dv) => autoconf.nameOf(dv) === 'hypervisor0');
    const dv = autoconf.attach('late0', hypervisor?.address ?? 0, 0);
    const late = m.base.cpu.sym('probe_late');
    if (types === 0) autoconf.pmfRegister(dv, late, late);
    else autoconf.pmfRegister(dv, m.base.cpu.sym('probe_typed'), 0);
  }),
  /** Does what a back end does that puts a byte in at the last moment. */
  probe_typed: leaf((m) => {
    const { memory } = m.base.cpu;
    const page = xencons_interface.at(memory, m.base.d.console_page);
    memory.st8(page.address + (page.in_prod & 1023), 33);
    page.in_prod = (page.in_prod + 1) >>> 0;
    return 1;
  }),
  /** Prints five thousand bytes while the console is away. */
  probe_late: leaf((m) => {
    for (let n = 0; n < 500; n++) m.base.kern.msgbuf.printf('(late0 xx)');
    return 1;
  }),
};

export const image: KernelImage = testKernel({
  modules: {
    evtchn: { data: evtchn_data, text: evtchnText },
    upcall: { text: upcallText },
    xencons: { data: xencons_softc, text: xenconsText },
    probe: { text },
  },
  link: (base, at) => {
    const evtchn = new Evtchn(base.cpu, at('evtchn'), base.kern);
    const xencons = new Xencons(base.cpu, at('xencons'), base.kern, evtchn);
    const linked = {
      evtchn,
      upcall: { evtchn, sched: base.kern.sched },
      xencons,
      probe: { base, xencons },
    };
    return { evtchn, console: xencons, linked };
  },
});
