/*
 * One guest through ten years: saved and restored again and again, on hosts of any age, TSC and crystal, at work for a second in
 * between. What can only be wrong a little at a time is wrong a lot in the end: precision that a sum of nanoseconds loses,
 * ticks that a restore drops, time that an absence is short of.
 *
 *     life 1                        life 2
 *     ├─────────────┤ stops         ├──────────────┤ stops     …      each by its own host's clocks, which gain or lose
 *     began                away     began                             up to RATE_ERROR_PPB on true time
 *
 *     monotonic   the sum of the lives, each from the moment it began to the moment the vCPU stopped
 *     uptime      the hosts' wall clock: lives and absences
 *     runstates   monotonic time, state by state
 */
import { Random } from '@port-xen/sim';
import type { Guest } from '../guest.ts';
import { type Seen, WatchedHost } from './watched-host.ts';

const DAY_NS = 86_400e9;
const YEARS_NS = 3652.5 * DAY_NS;
const EPOCH_NS = 1_767_225_600n * 1_000_000_000n;
const TICK_NS = 10e6;
/** How long a save may take. */
const PATIENCE_NS = 20e9;
/** How long a host can have been up: ten years, and thirty days. */
const UPTIME_MAX_S = 3682 * 86_400;
/** How much a host's crystal may be off. */
const RATE_ERROR_PPB = 50_000;
/** From a reading to the last byte of what is said of it. */
const REPORT_NS = 100e3;
/**
 * However many saves lie between two readings: what both round off, a tick of 1 GHz and a nanosecond each; and what two hosts' clocks
 * take the report of a reading to last.
 */
const READ_ERROR_NS = 4 + (2 * REPORT_NS * RATE_ERROR_PPB) / 1e9;
/** What an interrupt may take that falls between two readings, or between a reading and its report. */
const INTERRUPT_NS = 30e3;

/** How far the guest's clocks were off, at most, ns; all but the wall clock since they were first seen. */
export interface TenYears {
  readonly saves: number;
  readonly wall_ns: number;
  readonly uptime_ns: number;
  readonly monotonic_ns: number;
  readonly runstates_ns: number;
  /** Monotonic time off true time, in parts of 10^9 of what the guest has lived. */
  readonly rate_ppb: number;
  /** How far off monotonic time and uptime are in the last half of the time, in most sightings: what no interrupt fell into. */
  readonly drift_ns: number;
  readonly ticks: number;
  readonly years: number;
  readonly faults: readonly string[];
}

/** The larger one, by its size. */
const worse = (a: number, b: number): number => (Math.abs(b) > Math.abs(a) ? b : a);

/** The median of the last half. */
const typical = (values: readonly number[]): number => {
  const last = values.slice(values.length >> 1).sort((a, b) => a - b);
  return last[last.length >> 1] ?? 0;
};

/** What was seen at a time, with the host's clocks of that moment. */
interface Sight {
  readonly seen: Seen;
  /** What it has lived, by the clocks of its hosts. */
  readonly lived_ns: number;
  /** What it has lived, by the world's. */
  readonly true_ns: number;
  readonly wallclock: bigint;
}

/** Compares everything with what was seen first. */
class Observer {
  readonly faults: string[] = [];
  count = 0;
  ticks = 0;
  wall_ns = 0;
  uptime_ns = 0;
  monotonic_ns = 0;
  runstates_ns = 0;
  rate_ppb = 0;
  #first: Sight | undefined;
  readonly #monotonic: number[] = [];
  readonly #uptime: number[] = [];

  look(sight: Sight, save: number): void {
    const { seen } = sight;
    this.#first ??= sight;
    const first = this.#first;
    const monotonic = seen.monotonic_ns - first.seen.monotonic_ns;
    const wall = Number(sight.wallclock - first.wallclock);
    const up = Number(seen.uptime_ns - first.seen.uptime_ns - (sight.wallclock - first.wallclock));
    const off = monotonic - (sight.lived_ns - first.lived_ns);
    this.#uptime.push(up);
    this.#monotonic.push(off);
    this.uptime_ns = worse(this.uptime_ns, up);
    this.monotonic_ns = worse(this.monotonic_ns, off);
    const runstates = seen.runstates_ns - first.seen.runstates_ns - monotonic;
    this.runstates_ns = worse(this.runstates_ns, runstates);
    this.wall_ns = worse(this.wall_ns, seen.wallAhead_ns);
    const lived = sight.true_ns - first.true_ns;
    if (lived > 0) this.rate_ppb = worse(this.rate_ppb, (1e9 * (monotonic - lived)) / lived);
    if (seen.ticks !== Math.floor(seen.monotonic_ns / TICK_NS)) {
      this.faults.push(`save ${save}: ${seen.ticks} ticks after ${seen.monotonic_ns} ns`);
    }
    if (wall < 0) this.faults.push(`save ${save}: the observer's own clock went back`);
    this.ticks = seen.ticks;
    this.count++;
  }

  get drift_ns(): number {
    return worse(typical(this.#monotonic), typical(this.#uptime));
  }

  judge(): void {
    const off = (what: string, ns: number, limit: number): void => {
      if (Math.abs(ns) > limit) this.faults.push(`${what} ${ns} ns off`);
    };
    off('the wall clock was', this.wall_ns, TICK_NS);
    off('uptime is', this.uptime_ns, READ_ERROR_NS + INTERRUPT_NS);
    off('monotonic time is', this.monotonic_ns, READ_ERROR_NS + INTERRUPT_NS);
    off('runstates are', this.runstates_ns, INTERRUPT_NS);
    off('monotonic time or uptime drifted: it is', this.drift_ns, READ_ERROR_NS);
    if (Math.abs(this.rate_ppb) > RATE_ERROR_PPB) {
      this.faults.push(`monotonic time is ${this.rate_ppb} ppb off true time`);
    }
  }
}

/** @param progress called after every save */
export const tenYears = (
  saves: number,
  seed: number,
  guest: Guest,
  progress: () => void = () => {},
): TenYears => {
  const random = new Random(seed, 'ten years');
  const observer = new Observer();
  /** True time since the first world began at which this one did. */
  let began = 0n;
  /** What the guest has lived before this life. */
  let [lived_ns, true_ns] = [0, 0];
  const makeHost = (slot: number): WatchedHost => {
    // What a Number of nanoseconds since 1970 rounds is part of the time away.
    const wallclock_ns = Number(EPOCH_NS + began);
    began = BigInt(wallclock_ns) - EPOCH_NS;
    const uptime_ns = random.between(60, UPTIME_MAX_S) * 1e9 + random.below(1e9);
    const tscKhz = random.between(1_000_000, 5_000_000);
    const drift_ppb = random.between(-RATE_ERROR_PPB, RATE_ERROR_PPB);
    return new WatchedHost(
      random.next(),
      { slot, uptime_ns, tscKhz, wallclock_ns, drift_ppb, disjoint: true },
      guest,
    );
  };
  const look = (host: WatchedHost, save: number): void => {
    const start_ns = host.hostTime_ns(host.started_ns);
    for (const seen of host.seen) {
      const sight = {
        seen,
        lived_ns: lived_ns + seen.host_ns - start_ns,
        true_ns: true_ns + seen.time_ns - host.started_ns,
        wallclock: BigInt(host.host.wallclock_ns) + BigInt(seen.host_ns),
      };
      observer.look(sight, save);
    }
    observer.faults.push(...host.faults.map((fault) => `save ${save}: ${fault}`));
  };
  let host = makeHost(0);
  let domid = host.boot(guest, 'init=clockwatch 0');
  for (let save = 0; ; save++) {
    host.runFor(0.9e9 + random.below(0.2e9));
    look(host, save);
    if (save === saves) break;
    const file = host.save(domid, false, 0, PATIENCE_NS);
    if (file === undefined) {
      observer.faults.push(`save ${save} failed`);
      break;
    }
    lived_ns += host.hostTime_ns(host.stopped_ns) - host.hostTime_ns(host.started_ns);
    true_ns += host.stopped_ns - host.started_ns;
    began += BigInt(Math.round(host.world.sim.now_ns + random.below((2 * YEARS_NS) / saves)));
    host = makeHost((save + 1) % 64);
    domid = host.restore(file);
    progress();
  }
  if (observer.count < saves / 2) {
    observer.faults.push(`the guest was seen ${observer.count} times in ${saves + 1} lives`);
  }
  observer.judge();
  const { faults, wall_ns, uptime_ns, monotonic_ns, runstates_ns, rate_ppb, drift_ns, ticks } =
    observer;
  const years = Number(began) / (365.25 * DAY_NS);
  return {
    saves,
    wall_ns,
    uptime_ns,
    monotonic_ns,
    runstates_ns,
    rate_ppb,
    drift_ns,
    ticks,
    years,
    faults,
  };
};
