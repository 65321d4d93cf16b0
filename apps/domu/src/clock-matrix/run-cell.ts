/*
 * One cell: a guest boots, works, is suspended at a drawn moment, and goes on, here or on another host; then what it saw
 * and what was seen of it are judged.
 *
 *     from outside   monotonic time is the time lived, within a tick · uptime has the time away in it, as the wall clocks tell it ·
 *                    the wall clock is the present host's, within a tick · few ticks were made up at once · TCP's timestamps are
 *                    the time lived, and the connection goes on · the guest ends by itself
 *     from inside    what clockwatch checks, the disk's answers among it · what the witness tells of callouts and of xenbus
 */
import { Random } from '@port-xen/sim';
import type { Guest } from '../guest.ts';
import type { Host } from '../host-options.ts';
import type { Cell, RestoreCell, StayCell } from './cells.ts';
import { faultsOf, type Measured, type MeasureName, nothingMeasured } from './measures.ts';
import { type Seen, WatchedHost } from './watched-host.ts';
import { GUEST_ADDRESS, WirePeer } from './wire-peer.ts';
import { WAIT_NS } from './witness.ts';

const TICK_NS = 10e6;
const DAY_NS = 86_400e9;
const ROUNDS = 2;
/** From one line of clockwatch's to the next, nearly. */
const ROUND_NS = 1e9;
/** How long the block takes that is read behind each line, nearly. */
const BLOCK_NS = 0.5e6;
/** How long the guest may take for what takes it two seconds. */
const PATIENCE_NS = 20e9;
const SHUTDOWN_poweroff = 0;
/** 2026-01-01 00:00 UTC. */
const EPOCH_NS = 1_767_225_600e9;

/** What became of a cell. */
export interface Outcome {
  readonly cell: Cell;
  readonly faults: readonly string[];
  readonly measured: Measured;
}

/** The kernels that cells run. */
export interface Guests {
  readonly plain: Guest;
  /** With a device that refuses the first suspend. */
  readonly balky: Guest;
}

const seconds = (ns: number): string => `${(ns / 1e9).toFixed(6)} s`;

/** The hosts of a cell: of forty days' uptime, so that another can be younger by thirty. */
const drawHost = (random: Random, slot: number, tscKhz: number): Host => ({
  slot,
  uptime_ns: 40 * DAY_NS + random.below(DAY_NS),
  tscKhz,
  wallclock_ns: EPOCH_NS + random.below(300) * DAY_NS + random.below(1e9),
  drift_ppb: 0,
  disjoint: true,
});

/** How a cell is to be judged. */
interface Trial {
  /** The last that was seen before the suspend, and the host of then and of afterwards. */
  readonly before: Seen;
  readonly after: readonly Seen[];
  readonly hosts: readonly WatchedHost[];
  readonly peer: WirePeer;
  /** What had come back to the peer before the suspend. */
  readonly echoes: number;
  /** What the guest has lived at a time of a world, since the first one began. */
  lived(time_ns: number, world: number): number;
  /** What uptime is to show of the time away. */
  readonly absence_ns: number;
  /** How long the guest was kept from running without being suspended: it counts those ticks, all at once. */
  readonly paused_ns: number;
}

/** Measures a cell, and adds what is wrong. */
const judge = (trial: Trial, faults: string[]): Measured => {
  const { before, after, hosts, peer, lived, absence_ns, paused_ns } = trial;
  const measured = nothingMeasured();
  const note = (name: MeasureName, value: number): void => {
    if (Math.abs(value) > Math.abs(measured[name])) measured[name] = value;
  };
  const unpaused = (ns: number): number => (ns < paused_ns ? ns : ns - paused_ns);
  const world = hosts.length - 1;
  if (after.length === 0) faults.push('the guest was not seen again');
  for (const seen of after) {
    const passed = lived(seen.time_ns, world) - lived(before.time_ns, 0);
    note('monotonic', seen.monotonic_ns - before.monotonic_ns - passed);
    note('wall', seen.wallAhead_ns);
    note('ticks', Math.max(0, seen.ticksAtOnce - Math.floor(paused_ns / TICK_NS)));
    const absence = Number(seen.uptime_ns - BigInt(seen.monotonic_ns));
    if (Math.abs(absence - absence_ns) > TICK_NS) {
      faults.push(`uptime shows ${seconds(absence)} of the ${seconds(absence_ns)} away`);
    }
  }
  for (const seen of [...after, before]) note('xbd', seen.io_ns);
  for (const { late, twice, disorder, store_ns, wait_ns } of hosts.flatMap((h) => h.witnessed)) {
    note('callout', Math.max(0, late - Math.floor(paused_ns / TICK_NS)));
    note('store', unpaused(store_ns));
    const over = wait_ns - WAIT_NS;
    // A pause in which the limit passed is not more than the pause.
    note('wait', wait_ns < paused_ns ? over : Math.max(0, over - paused_ns));
    if (twice > 0) faults.push(`a callout ran ${twice} times twice`);
    if (disorder > 0) faults.push(`callouts ran out of order ${disorder} times`);
    if (over < 0) faults.push(`a wait on xenbus ended ${seconds(-over)} before its limit`);
  }
  if (hosts.at(-1)?.witnessed.length === 0) faults.push('the witness was not heard again');
  const [first] = peer.stamps;
  for (const stamp of peer.stamps) {
    if (first === undefined) break;
    const passed = lived(stamp.time_ns, stamp.world) - lived(first.time_ns, first.world);
    note('tcp', ((stamp.value - first.value) | 0) * 1e6 - passed);
  }
  if (peer.echoes === trial.echoes) faults.push('the TCP connection did not go on');
  faults.push(...peer.faults, ...faultsOf(measured));
  return measured;
};

/** Boots a guest with its peer. @returns its domid, when everybody was heard of */
const boot = (host: WatchedHost, guest: Guest, peer: WirePeer, cell: Cell): number => {
  const rounds = cell.kind === 'restore' ? ROUNDS + 1 : ROUNDS;
  const domid = host.boot(
    guest,
    `xennet0=${GUEST_ADDRESS}/24 clock=${cell.timer} init=sh -c echod&clockwatch ${rounds}`,
    peer,
  );
  host.runUntil(() => host.seen.length > 0, PATIENCE_NS);
  peer.poke();
  host.runUntil(() => peer.echoes > 0 && host.witnessed.length > 0, PATIENCE_NS);
  return domid;
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
  const peer = new WirePeer();
  const sourceHost = drawHost(random, 0, cell.sourceTscKhz);
  const source = new WatchedHost(random.next(), sourceHost, guest);
  const domid = boot(source, guest, peer, cell);
  if (random.below(2) === 0) source.runFor(random.below(ROUND_NS));
  else {
    // Where a block is under way.
    const lines = source.seen.length;
    source.runUntil(() => source.seen.length > lines, PATIENCE_NS);
    source.runFor(random.below(BLOCK_NS));
  }
  const before = source.seen.at(-1) as Seen;
  const { echoes } = peer;
  const chunks = source.save(domid, false, 0, PATIENCE_NS);
  if (chunks === undefined) {
    return { cell, faults: ['the save failed'], measured: nothingMeasured() };
  }
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
  target.restore(chunks, peer);
  toTheEnd(target, faults);
  const trial: Trial = {
    before,
    after: target.seen,
    hosts: [source, target],
    peer,
    echoes,
    lived: (time_ns, world) =>
      world === 0 ? time_ns : source.stopped_ns + time_ns - target.started_ns,
    // The wall clocks are all that can tell how long it was away.
    absence_ns: Math.max(0, cell.away_s + cell.wallError_s) * 1e9,
    paused_ns: 0,
  };
  return { cell, faults, measured: judge(trial, faults) };
};

const runStay = (cell: StayCell, random: Random, { plain, balky }: Guests): Outcome => {
  const faults: string[] = [];
  const peer = new WirePeer();
  const guest = cell.kind === 'refused' ? balky : plain;
  const host = new WatchedHost(random.next(), drawHost(random, 0, cell.tscKhz), guest);
  const domid = boot(host, guest, peer, cell);
  // Within its second of work: a pause of the domain is not to be taken for a sleep that is too long.
  host.runFor(random.below(0.6e9));
  const before = host.seen.at(-1) as Seen;
  const count = host.seen.length;
  const { echoes } = peer;
  const away_ns = cell.away_s * 1e9;
  let [absence_ns, paused_ns] = [0, 0];
  if (cell.kind === 'cancelled') {
    if (host.save(domid, true, away_ns, PATIENCE_NS) === undefined)
      faults.push('the checkpoint failed');
    absence_ns = away_ns;
  } else {
    host.world.xl.save(domid, { write: () => {} }, {}, () => {});
    const refused = (): boolean => host.console.includes('suspend: refused');
    if (!host.runUntil(refused, PATIENCE_NS)) faults.push('balky0 did not refuse');
    paused_ns = away_ns;
    host.world.xl.pause(domid);
    host.runFor(away_ns);
    host.world.xl.unpause(domid);
  }
  peer.poke();
  toTheEnd(host, faults);
  const trial: Trial = {
    before,
    after: host.seen.slice(count),
    hosts: [host],
    peer,
    echoes,
    lived: (time_ns) => (time_ns <= host.stopped_ns ? time_ns : time_ns - absence_ns),
    absence_ns,
    paused_ns,
  };
  return { cell, faults, measured: judge(trial, faults) };
};

/** Runs a cell. @param seed of everything that is drawn */
export const runCell = (cell: Cell, seed: number, guests: Guests): Outcome => {
  const random = new Random(seed, JSON.stringify(cell));
  return cell.kind === 'restore'
    ? runRestore(cell, random, guests.plain)
    : runStay(cell, random, guests);
};
