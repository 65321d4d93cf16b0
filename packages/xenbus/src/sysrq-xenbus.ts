/*
 * control/sysrq (sysrq_xenbus.c): a key for the kernel. It says what it was given, and does nothing: NetBSD has the letters that mean
 * something elsewhere, and for each of them "not implemented".
 */
import { call, done, routine, type Text } from '@port-xen/kern';
import { struct, u64 } from '@port-xen/layout';
import { takesRequests } from './control-node.ts';
import type { Xenbus } from './xenbus.ts';

const NODE = 'control/sysrq';
const KNOWN = 'kbcosuptefl';

const setup = struct('sysrq_setup_locals', { pad: u64 });

export const sysrqText: Text<Xenbus> = {
  sysrq_xenbus_setup: routine(setup, {
    watch: (m) =>
      call('done', m.cpu.sym('xs_watch'), m.watches.create(NODE, 'xenbus_sysrq_handler', 0)),
    done: () => done(),
  }),

  /** The watch on control/sysrq: the first letter counts. */
  xenbus_sysrq_handler: takesRequests(NODE, (m, [letter = ''], answered) => {
    if (!answered) return;
    const what = KNOWN.includes(letter)
      ? `letter '${letter}' not implemented`
      : `unknown letter '${letter}'`;
    m.kern.msgbuf.printf(`xenbus_sysrq_handler: ${what}\n`);
  }),
};
