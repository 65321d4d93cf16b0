/*
 * asker0: a device that has something to ask of the controller just when the domain is about to leave, and a handler for what the
 * controller asks that takes its time. Linked into the kernel for question 4.
 *
 *     asker0's suspend ─► lwps: question 1 … n ─► controller ─► each tells what came of it
 *     CMSG_MEM_REQUEST ─► lwp ctrlif: so many ticks later, status 0
 */
import { CMSG_MEM_REQUEST, control_msg, mem_request } from '@port-xen/abi';
import { Clock } from '@port-xen/clock';
import {
  CALLBACK_IN_BLOCKING_CONTEXT,
  type CtrlIf,
  ECONNRESET,
  ETIMEDOUT,
} from '@port-xen/ctrl-if';
import { call, done, goto, type Kern, leaf, PRI_KTHREAD, routine } from '@port-xen/kern';
import { i64, nest, struct, u32 } from '@port-xen/layout';
import type { KernelVariant } from '../../kernel.ts';

/** A type that no controller knows: it answers without payload. */
const CMSG_QUESTION = 200;
const NAMES: Readonly<Record<number, string>> = {
  0: 'answered',
  [ECONNRESET]: 'ECONNRESET',
  [ETIMEDOUT]: 'ETIMEDOUT',
};

/** What asker0 is to do. */
export interface Asking {
  /** Questions put at the suspend. */
  readonly questions: number;
  /** The device whose child asker0 is: it is suspended before that one, or, of the root, after everything else. */
  readonly under: 'ctrlif0' | 'mainbus0';
  /** How long a memory request takes, ticks. */
  readonly memory_ticks: number;
}

/** Ticks after a resume at which asker0 says that it is still there. */
const LATER_TICKS = 400;

const asker_data = struct('asker_data', { restores: u32 });

const questioning = struct('asker_locals', { number: i64, msg: nest(control_msg) });
const waiting = struct('asker_memory_locals', { msg: i64, ready: u32 });

interface Asker {
  readonly kern: Kern;
  readonly data: number;
  readonly ctrlIf: CtrlIf;
}

const withAsker = ({ under }: Asking): typeof Clock =>
  class extends Clock {
    /** The last thing that attaches before programs run. */
    override initclocks(commandLine: string): void {
      super.initclocks(commandLine);
      this.cpu.call(this.cpu.sym('asker_attach'), under === 'ctrlif0' ? 1 : 0);
    }
  };

/** The kernel with asker0. @param ctrlIf the controller interface, or one that lacks a step */
export const askerVariant = (asking: Asking, ctrlIf: typeof CtrlIf): KernelVariant => ({
  interface: 'xen-2.0',
  clock: withAsker(asking),
  ctrlIf,
  modules: {
    asker: {
      data: asker_data,
      text: {
        asker_attach: leaf<Asker>(({ kern, ctrlIf: rings }, inside) => {
          const { autoconf, cpu } = kern;
          const name = inside === 0 ? 'mainbus0' : 'ctrlif0';
          const parent = autoconf.devices().find((dv) => autoconf.nameOf(dv) === name);
          const dv = autoconf.attach('asker0', parent?.address ?? 0, 0);
          autoconf.pmfRegister(dv, cpu.sym('asker_suspend'), cpu.sym('asker_resume'));
          const handler = cpu.sym('asker_memory');
          rings.registerReceiver(CMSG_MEM_REQUEST, handler, CALLBACK_IN_BLOCKING_CONTEXT);
        }),

        asker_suspend: routine<Asker, typeof waiting>(waiting, {
          start: ({ kern }) => {
            for (let n = 1; n <= asking.questions; n++) {
              kern.sched.create('asker', kern.cpu.sym('asker_ask'), n, PRI_KTHREAD);
            }
            // They run, as far as they can.
            return call('asked', kern.cpu.sym('yield'));
          },
          asked: () => done(1),
        }),

        /** (_, cancelled). */
        asker_resume: leaf<Asker>((m, _, cancelled) => {
          const { cpu, sched } = m.kern;
          if (cancelled === 0) asker_data.at(cpu.memory, m.data).restores++;
          sched.create('asker', cpu.sym('asker_live'), 0, PRI_KTHREAD);
          return 1;
        }),

        asker_live: routine<Asker, typeof waiting>(waiting, {
          start: ({ kern }, l) => call('later', kern.cpu.sym('tsleep'), l.address, LATER_TICKS),
          later: ({ kern }) => {
            kern.msgbuf.printf('asker0: still here\n');
            return done();
          },
        }),

        asker_ask: routine<Asker, typeof questioning>(questioning, {
          start: ({ kern }, l, n) => {
            l.number = n;
            l.msg.type = CMSG_QUESTION;
            const ask = kern.cpu.sym('ctrl_if_send_message_and_get_response');
            return call('told', ask, l.msg.address, l.msg.address);
          },
          told: ({ kern, data }, l, error) => {
            const { restores } = asker_data.at(kern.cpu.memory, data);
            const host = `on host ${restores + 1}`;
            kern.msgbuf.printf(`asker0: question ${l.number}: ${NAMES[error] ?? error} ${host}\n`);
            return done();
          },
        }),

        asker_memory: routine<Asker, typeof waiting>(waiting, {
          start: (_, l, msg) => {
            l.msg = msg;
            return goto('wait');
          },
          wait: ({ kern, ctrlIf: rings }, l) => {
            if (l.ready++ === 0) {
              return call('wait', kern.cpu.sym('tsleep'), l.address, asking.memory_ticks);
            }
            const at = l.msg + control_msg.offset.msg;
            mem_request.at(kern.cpu.memory, at).status = 0;
            rings.sendResponse(l.msg);
            return done();
          },
        }),
      },
    },
  },
  link: (kern, data, { linked }) => ({
    asker: { kern, data: data.asker, ctrlIf: linked.ctrlIf },
  }),
});
