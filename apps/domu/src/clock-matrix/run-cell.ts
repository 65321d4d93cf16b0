/*
 * One cell: a guest boots, works, is suspended at a drawn moment, and goes on, here or on another host; then what it saw
 * and what was seen of it are judged.
 *
 *     from outside   monotonic time is the world's time less the time away, within a tick · uptime has the time away in it,
 *                    as the wall clocks tell it · the wall clock is the present host's, within a tick · few ticks were
 *                    made up at once · the guest ends by itself
 *     from inside    what clockwatch checks
 */
import { Random } from '@port-xen/sim';
import type { Guest } from '../guest.ts';
import type { Host } from '../host-options.ts';
import type { Cell, RestoreCell, StayCell } from './cells.ts';
import { type Seen, WatchedHost } from './watched-host.ts';

const TICK_NS = 10e6;
/** Ticks that may be made up at once after a suspend. */
const TICKS_AT_ONCE_MAX = 3;
const DAY_NS = 86_400e9;
const ROUNDS = 2;
/** From one line of clockwatch's to the next, nearly. */
const ROUND_NS = 1e9;
/** How long the guest may take for what takes it two seconds. */
const PATIENCE_NS = 20e9;
const SHUTDOWN_poweroff = 0;
/** 2026-01-01 00:00 UTC. */
const EPOCH_NS = 1_767_225_600e9;

/** What became of a cell. Largest deviations, ns. */
export interface Outcome {
  readonly cell: Cell;
  readonly faults: readonly string[];
  readonly monotonic_ns: number;
  readonly wall_ns: number;
  readonly ticksAtOnce: number;
}

/** The kernels that cells run. */
export interface Guests {
  readonly plain: Guest;
  /** With a device that refuses the first suspend. */
  readonly balky: Guest;
}

const seconds = (ns: number): string => `${(ns / 1e9).toFixed(6)} s`;

/** How far ahead of something, or behind it. */
const apart = (ns: number): string =>
  ns < 0 ? `${seconds(-ns)} behind` : `${seconds(ns)} ahead of`;

/** The hosts of a cell: of forty days' uptime, so that another can be younger by thirty. */
const drawHost = (random: Random, slot: number, tscKhz: number): Host => ({
  slot,
  uptime_ns: 40 * DAY_NS + random.below(DAY_NS),
  tscKhz,
  wallclock_ns: EPOCH_NS + random.below(300) * DAY_NS + random.below(1e9),
  drift_ppb: 0,
  disjoint: true,
});

/**
 * Compares what was seen before and after.
 * @param elapsedAt how far monotonic time is to have gone on from `before`
 * @param absence_ns what uptime is to show of the time away
 * @param paused_ns how long the guest was kept from running without being suspended: it counts those ticks, all at once
 */
const judge = (
  before: Seen,
  after: readonly Seen[],
  elapsedAt: (seen: Seen) => number,
  absence_ns: number,
  paused_ns: number,
  faults: string[],
): Pick<Outcome, 'monotonic_ns' | 'wall_ns' | 'ticksAtOnce'> => {
  let monotonic_ns = 0;
  let wall_ns = 0;
  let ticksAtOnce = 0;
  if (after.length === 0) faults.push('the guest was not seen again');
  for (const seen of after) {
    const off = seen.monotonic_ns - before.monotonic_ns - elapsedAt(seen);
    if (Math.abs(off) > Math.abs(monotonic_ns)) monotonic_ns = off;
    if (Math.abs(seen.wallAhead_ns) > Math.abs(wall_ns)) wall_ns = seen.wallAhead_ns;
    ticksAtOnce = Math.max(ticksAtOnce, seen.ticksAtOnce - Math.floor(paused_ns / TICK_NS));
    const absence = Number(seen.uptime_ns - BigInt(seen.monotonic_ns));
    if (Math.abs(absence - absence_ns) > TICK_NS) {
      faults.push(`uptime shows ${seconds(absence)} of the ${seconds(absence_ns)} away`);
    }
  }
  if (Math.abs(monotonic_ns) > TICK_NS) {
    faults.push(`monotonic time is ${apart(monotonic_ns)} what passed`);
  }
  if (Math.abs(wall_ns) > TICK_NS) {
    faults.push(`the wall clock is ${apart(wall_ns)} the host's`);
  }
  if (ticksAtOnce > TICKS_AT_ONCE_MAX) faults.push(`${ticksAtOnce} ticks were made up at once`);
  return { monotonic_ns, wall_ns, ticksAtOnce };
};

/** The guest is to end by itself, and to have found nothing wrong. */
const toTheEnd = (host: WatchedHost, faults: string[]): void => {
  host.runUntil(() => false, PATIENCE_NS);
  faults.push(...host.faults);
  if (host.ended !== SHUTDOWN_poweroff) {
    const last = host.console.trimEnd().split('\n').at(-1);
    faults.push(`${PATIENCE_NS / 1e9} s later it had not ended; it printed last: ${last}`);
  }
};

const runRestore = (cell: RestoreCell, random: Random, guest: Guest): Outcome => {
  const faults: string[] = [];
  const sourceHost = drawHost(random, 0, cell.sourceTscKhz);
  const source = new WatchedHost(random.next(), sourceHost, guest);
  const domid = source.boot(guest, `clock=${cell.timer} init=clockwatch ${ROUNDS}`);
  source.runUntil(() => source.seen.length > 0, PATIENCE_NS);
  source.runFor(random.below(ROUND_NS));
  const before = source.seen.at(-1) as Seen;
  const chunks = source.save(domid, false, 0, PATIENCE_NS);
  if (chunks === undefined) {
    return { cell, faults: ['the save failed'], monotonic_ns: 0, wall_ns: 0, ticksAtOnce: 0 };
  }
  const ranHere = source.stopped_ns - before.time_ns;
  const target = new WatchedHost(
    random.next(),
    {
      slot: 1,
      uptime_ns: source.uptime_ns + cell.uptime_s * 1e9,
      tscKhz: cell.targetTscKhz,
      wallclock_ns: source.wallclock_ns + (cell.away_s + cell.wallError_s) * 1e9,
      drift_ppb: 0,
      disjoint: true,
    },
    guest,
  );
  target.restore(chunks);
  toTheEnd(target, faults);
  // The wall clocks are all that can tell how long it was away.
  const absence = Math.max(0, cell.away_s + cell.wallError_s) * 1e9;
  const elapsedAt = (seen: Seen): number => ranHere + seen.time_ns - target.started_ns;
  return { cell, faults, ...judge(before, target.seen, elapsedAt, absence, 0, faults) };
};

const runStay = (cell: StayCell, random: Random, { plain, balky }: Guests): Outcome => {
  const faults: string[] = [];
  const guest = cell.kind === 'refused' ? balky : plain;
  const host = new WatchedHost(random.next(), drawHost(random, 0, cell.tscKhz), guest);
  const domid = host.boot(guest, `clock=${cell.timer} init=clockwatch ${ROUNDS}`);
  host.runUntil(() => host.seen.length > 0, PATIENCE_NS);
  // Into its second of work: a pause of the domain is not to be taken for a sleep that is too long.
  host.runFor(0.1e9 + random.below(0.8e9));
  const before = host.seen.at(-1) as Seen;
  const count = host.seen.length;
  const away_ns = cell.away_s * 1e9;
  let [absence, paused] = [0, 0];
  if (cell.kind === 'cancelled') {
    if (host.save(domid, true, away_ns, PATIENCE_NS) === undefined)
      faults.push('the checkpoint failed');
    absence = away_ns;
  } else {
    host.world.xl.save(domid, { write: () => {} }, {}, () => {});
    const refused = (): boolean => host.console.includes('suspend: refused');
    if (!host.runUntil(refused, PATIENCE_NS)) faults.push('balky0 did not refuse');
    paused = away_ns;
    host.world.xl.pause(domid);
    host.runFor(away_ns);
    host.world.xl.unpause(domid);
  }
  toTheEnd(host, faults);
  const elapsedAt = (seen: Seen): number => seen.time_ns - before.time_ns - absence;
  const measured = judge(before, host.seen.slice(count), elapsedAt, absence, paused, faults);
  return { cell, faults, ...measured };
};

/** Runs a cell. @param seed of everything that is drawn */
export const runCell = (cell: Cell, seed: number, guests: Guests): Outcome => {
  const random = new Random(seed, JSON.stringify(cell));
  return cell.kind === 'restore'
    ? runRestore(cell, random, guests.plain)
    : runStay(cell, random, guests);
};
