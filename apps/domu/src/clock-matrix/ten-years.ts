/*
 * One guest through ten years: saved and restored again and again, on hosts of any age and TSC, at work for a second in
 * between. What can only be wrong a little at a time is wrong a lot in the end: precision that a sum of nanoseconds loses,
 * ticks that a restore drops, time that an absence is short of.
 */
import { Random } from '@port-xen/sim';
import type { Guest } from '../guest.ts';
import { WatchedHost } from './watched-host.ts';

const DAY_NS = 86_400e9;
const YEARS_NS = 3652.5 * DAY_NS;
const EPOCH_NS = 1_767_225_600n * 1_000_000_000n;
const TICK_NS = 10e6;
/** How long a save may take. */
const PATIENCE_NS = 20e9;
/** How long a host can have been up: less than a double has nanoseconds. */
const UPTIME_MAX_S = 90 * 86_400;
/** Uptime per save: what reading two hosts' clocks rounds off. */
const UPTIME_ERROR_NS = 10;
/** Monotonic time per save: the clock has been let go before the domain stops, and is taken up after it starts. */
const MONOTONIC_ERROR_NS = 20e3;

/** How far the guest's clocks were off, at most, ns; monotonic time and uptime since the first save. */
export interface TenYears {
  readonly saves: number;
  readonly wall_ns: number;
  readonly uptime_ns: number;
  readonly monotonic_ns: number;
  readonly ticks: number;
  readonly years: number;
  readonly faults: readonly string[];
}

/** @param progress called after every save */
export const tenYears = (
  saves: number,
  seed: number,
  guest: Guest,
  progress: () => void = () => {},
): TenYears => {
  const random = new Random(seed, 'ten years');
  const faults: string[] = [];
  let [wall_ns, uptime_ns, monotonic_ns, ticks] = [0, 0, 0, 0];
  /** True time since the first world began at which this one did; and what the guest has run before it. */
  let began = 0n;
  let ran = 0;
  let first:
    | { readonly uptime: bigint; readonly monotonic: number; readonly at: bigint }
    | undefined;
  const makeHost = (slot: number): WatchedHost => {
    // The host's wall clock is a Number of nanoseconds: what that rounds is part of the time away.
    const wallclock_ns = Number(EPOCH_NS + began);
    began = BigInt(wallclock_ns) - EPOCH_NS;
    const uptime_ns = random.between(60, UPTIME_MAX_S) * 1e9 + random.below(1e9);
    const tscKhz = random.between(1_000_000, 5_000_000);
    return new WatchedHost(
      random.next(),
      { slot, uptime_ns, tscKhz, wallclock_ns, disjoint: true },
      guest,
    );
  };
  const look = (host: WatchedHost, save: number): void => {
    for (const seen of host.seen) {
      const at = began + BigInt(Math.round(seen.time_ns));
      first ??= { uptime: seen.uptime_ns, monotonic: seen.monotonic_ns - seen.time_ns, at };
      const up = Number(seen.uptime_ns - first.uptime - (at - first.at));
      const mono = seen.monotonic_ns - first.monotonic - ran - seen.time_ns;
      uptime_ns = Math.abs(up) > Math.abs(uptime_ns) ? up : uptime_ns;
      monotonic_ns = Math.abs(mono) > Math.abs(monotonic_ns) ? mono : monotonic_ns;
      wall_ns = Math.max(wall_ns, Math.abs(seen.wallAhead_ns));
      ticks = seen.ticks;
      if (seen.ticks !== Math.floor(seen.monotonic_ns / TICK_NS)) {
        faults.push(`save ${save}: ${seen.ticks} ticks after ${seen.monotonic_ns} ns`);
      }
    }
    faults.push(...host.faults.map((fault) => `save ${save}: ${fault}`));
  };
  let host = makeHost(0);
  let domid = host.boot(guest, 'init=clockwatch 0');
  let seen = 0;
  for (let save = 0; ; save++) {
    host.runFor(0.9e9 + random.below(0.2e9));
    seen += host.seen.length;
    look(host, save);
    if (save === saves) break;
    const file = host.save(domid, false, 0, PATIENCE_NS);
    if (file === undefined) {
      faults.push(`save ${save} failed`);
      break;
    }
    const now = host.world.sim.now_ns;
    ran += now;
    began += BigInt(Math.round(now + random.below((2 * YEARS_NS) / saves)));
    host = makeHost((save + 1) % 64);
    domid = host.restore(file);
    progress();
  }
  if (seen < saves / 2) faults.push(`the guest was seen ${seen} times in ${saves + 1} lives`);
  if (wall_ns > TICK_NS) faults.push(`the wall clock was ${wall_ns} ns off its host's`);
  if (Math.abs(uptime_ns) > 1000 + saves * UPTIME_ERROR_NS) {
    faults.push(`uptime is ${uptime_ns} ns off`);
  }
  if (Math.abs(monotonic_ns) > saves * MONOTONIC_ERROR_NS) {
    faults.push(`monotonic time is ${monotonic_ns} ns off`);
  }
  const years = Number(began) / (365.25 * DAY_NS);
  return { saves, wall_ns, uptime_ns, monotonic_ns, ticks, years, faults };
};
