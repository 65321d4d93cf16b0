/*
 * A world that has gone on for more than 104 days has more nanoseconds than a double has bits: its time moves on in steps of two
 * nanoseconds, after ten years of sixty-four. What a guest can see of it is that and nothing else.
 */
import { describe, expect, test } from 'vitest';
import { type Seen, WatchedHost } from '../src/clock-matrix/watched-host.ts';
import { makeGuest } from '../src/guest.ts';

const DAY_NS = 86_400e9;
const TICK_NS = 10e6;
const LIMIT_NS = 20e9;
/** From reading the time to reading the runstates. */
const READING_NS = 30e3;

const guest = makeGuest(false);

const host = (slot: number, world_ns: number, tscKhz: number): WatchedHost => {
  const watched = new WatchedHost(
    slot + 1,
    {
      slot,
      uptime_ns: 3600e9,
      tscKhz,
      wallclock_ns: 1_767_225_600e9,
      drift_ppb: 0,
      disjoint: true,
    },
    guest,
  );
  watched.world.sim.runFor(world_ns);
  return watched;
};

describe.each([
  ['a hundred days', 100 * DAY_NS, 1],
  ['two hundred days', 200 * DAY_NS, 2],
  ['ten years and thirty days', 3683 * DAY_NS, 64],
])('a world that has gone on for %s', (_, world_ns, step_ns) => {
  test('its guests’ clocks agree with it and with each other, at work, idle, and over a restore', () => {
    const source = host(0, world_ns, 2_400_000);
    const domid = source.boot(guest, 'init=clockwatch 0');
    source.runFor(2.5e9);
    const file = source.save(domid, false, 0, LIMIT_NS) as Uint8Array[];
    // The other TSC is emulated: it has to go on.
    const target = host(1, world_ns, 3_141_592);
    target.restore(file);
    target.runFor(2.5e9);
    expect([...source.faults, ...target.faults]).toEqual([]);
    expect(source.seen.length).toBeGreaterThan(1);
    expect(target.seen.length).toBeGreaterThan(1);
    const lived = ({ time_ns }: Seen, here: WatchedHost): number =>
      here === source ? time_ns : source.stopped_ns + (time_ns - target.started_ns);
    const first = source.seen[0] as Seen;
    const last = target.seen.at(-1) as Seen;
    const passed = lived(last, target) - lived(first, source);
    const monotonic = last.monotonic_ns - first.monotonic_ns;
    // Both ends of two lives, and both readings.
    expect(Math.abs(monotonic - passed)).toBeLessThanOrEqual(4 * step_ns + 4);
    const runstates = last.runstates_ns - first.runstates_ns;
    expect(Math.abs(runstates - monotonic)).toBeLessThan(READING_NS);
    expect(Math.abs(last.wallAhead_ns)).toBeLessThan(TICK_NS);
    expect(last.ticks).toBe(Math.floor(last.monotonic_ns / TICK_NS));
  });
});
