/*
 * witness0: a kernel thread and two callouts that tell what becomes of a kernel's own timing while the domain is away. Linked into
 * the kernel for the matrix. Every round it prints one line:
 *
 *     witness: callouts 41 late 1 twice 0 disorder 0 store 0.000312456 wait 0.206900000
 *
 *     callouts   two, set for the same tick every three ticks: how often the first ran, by how many ticks at most one was late, how
 *                often it ran twice at one tick, how often the second ran before the first
 *     store      how long xenstored's answer took (xs_read)
 *     wait       how long a wait on a watch took that nobody fires, with a limit of 200 ms (tsleep with a timeout)
 */
import type { Clock, Timespec } from '@port-xen/clock';
import {
  call,
  callout,
  goto,
  type Kern,
  kassert,
  leaf,
  PRI_KTHREAD,
  routine,
  type Text,
} from '@port-xen/kern';
import { bytes, nest, struct, u32, u64, type View } from '@port-xen/layout';
import type { KernelVariant, VariantParts } from '../kernel.ts';

/** Between two runs of a callout. */
const PERIOD_TICKS = 3;
/** How long the wait may take: nobody fires the watch but its registration. */
export const WAIT_NS = 200e6;
/** Before the first round, so that the bus has been probed; and between rounds. */
const START_TICKS = 20;
const REST_TICKS = 3;
const EWOULDBLOCK = 35;
const REPLY_MAX = 192;

const witness_data = struct('witness_data', {
  first: nest(callout),
  second: nest(callout),
  /** The tick at which both are due next; how often each ran, and at which tick the first ran last. */
  due: u64,
  runs: u32,
  seconds: u32,
  last: u64,
  late: u64,
  twice: u32,
  disorder: u32,
  channel: u64,
  watch: u64,
  /** Nanoseconds. */
  store: u64,
  start_sec: u64,
  start_nsec: u64,
  path: bytes(32),
  reply: bytes(REPLY_MAX),
});
const waiting = struct('witness_locals', { pad: u64 });

interface Witness {
  readonly kern: Kern;
  readonly clock: Clock;
  readonly watches: VariantParts['watches'];
  readonly data: number;
}

const d = ({ kern, data }: Witness): View<typeof witness_data> =>
  witness_data.at(kern.cpu.memory, data);

const now = (m: Witness): Timespec => {
  const time = { tv_sec: 0, tv_nsec: 0 };
  m.clock.monotonic(time);
  return time;
};

/** Starts the watch that `passed_ns` is read off. */
const begin = (m: Witness): void => {
  const { tv_sec, tv_nsec } = now(m);
  d(m).start_sec = tv_sec;
  d(m).start_nsec = tv_nsec;
};

const passed_ns = (m: Witness): number => {
  const { tv_sec, tv_nsec } = now(m);
  return (tv_sec - d(m).start_sec) * 1e9 + tv_nsec - d(m).start_nsec;
};

const setCallouts = (m: Witness): void => {
  const { callout: callouts, cpu } = m.kern;
  const data = d(m);
  data.due = callouts.ticks + PERIOD_TICKS;
  callouts.reset(data.first.address, PERIOD_TICKS, cpu.sym('witness_first'), 0);
  callouts.reset(data.second.address, PERIOD_TICKS, cpu.sym('witness_second'), 0);
};

const sleep = (m: Witness, then: string, ticks: number): ReturnType<typeof call> =>
  call(then, m.kern.cpu.sym('tsleep'), m.data + witness_data.offset.channel, ticks);

/** Until the limit of the wait has passed. */
const waitOn = (m: Witness): ReturnType<typeof call> =>
  sleep(m, 'waited', Math.max(1, m.clock.ticksUntil(0, WAIT_NS - passed_ns(m))));

const text: Text<Witness> = {
  witness_attach: leaf((m) => {
    m.kern.sched.create('witness', m.kern.cpu.sym('witness_thread'), 0, PRI_KTHREAD);
  }),

  witness_first: leaf((m) => {
    const { ticks } = m.kern.callout;
    const data = d(m);
    if (ticks - data.due > data.late) data.late = ticks - data.due;
    if (ticks === data.last) data.twice++;
    data.last = ticks;
    data.runs++;
  }),
  witness_second: leaf((m) => {
    const data = d(m);
    data.seconds++;
    if (data.seconds !== data.runs) data.disorder++;
    setCallouts(m);
  }),

  /** (argument, path): the watch fired. */
  witness_told: leaf((m) => {
    m.kern.sched.wakeup(m.data + witness_data.offset.channel);
  }),

  witness_thread: routine(waiting, {
    start: (m) => {
      setCallouts(m);
      return sleep(m, 'probed', START_TICKS);
    },
    probed: (m) => {
      kassert(m.watches !== undefined, 'the witness watches the store');
      d(m).watch = m.watches.create('data/witness', 'witness_told', 0);
      return call('ask', m.kern.cpu.sym('xs_watch'), d(m).watch);
    },
    ask: (m) => {
      const { cpu } = m.kern;
      const { path, reply } = witness_data.offset;
      cpu.memory.write(m.data + path, new TextEncoder().encode('domid\0'));
      begin(m);
      return call('told', cpu.sym('xs_read'), 0, m.data + path, m.data + reply, REPLY_MAX);
    },
    told: (m) => {
      d(m).store = passed_ns(m);
      begin(m);
      return goto('wait');
    },
    wait: (m) => waitOn(m),
    waited: (m, _, error) => {
      if (error !== EWOULDBLOCK) return goto('wait');
      const { runs, late, twice, disorder, store } = d(m);
      const seconds = (ns: number): string => (ns / 1e9).toFixed(9);
      m.kern.msgbuf.printf(
        `witness: callouts ${runs} late ${late} twice ${twice} disorder ${disorder} ` +
          `store ${seconds(store)} wait ${seconds(passed_ns(m))}\n`,
      );
      return sleep(m, 'ask', REST_TICKS);
    },
  }),
};

/** A kernel in which the witness starts with the clock. @param variant what else it differs in */
export const withWitness = (
  variant: KernelVariant & { readonly clock: typeof Clock },
): KernelVariant => ({
  ...variant,
  clock: class extends variant.clock {
    override initclocks(commandLine: string): void {
      super.initclocks(commandLine);
      this.cpu.call(this.cpu.sym('witness_attach'));
    }
  },
  modules: { ...variant.modules, witness: { data: witness_data, text } },
  link: (kern, data, parts) => ({
    ...variant.link?.(kern, data, parts),
    witness: { kern, ...parts, data: data.witness as number },
  }),
});
