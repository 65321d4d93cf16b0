import { Sim } from '@port-xen/sim';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Frame, Link, type LinkQuality } from '../src/index.ts';

const PERFECT = { latency_ns: 1000, bandwidth_bps: 1e9 };

const numbered = (number: number, length = 60): Frame => {
  const bytes = new Uint8Array(length);
  new DataView(bytes.buffer).setUint32(0, number);
  return { bytes, checksum: 'none' };
};
const numberOf = ({ bytes }: Frame): number => new DataView(bytes.buffer).getUint32(0);

const linkOf = (quality: Partial<LinkQuality>, seed = 1) => {
  const sim = new Sim(seed);
  const arrived: [number, number][] = [];
  const link = new Link(sim, sim.random.stream('link'), quality, (frame) =>
    arrived.push([numberOf(frame), sim.now_ns]),
  );
  const run = () => sim.runUntil(() => false);
  return { sim, link, arrived, run };
};

test('LINK-1: frames leave one after the other, at the bandwidth, and arrive after the latency', () => {
  const { link, arrived, run } = linkOf(PERFECT);
  link.send(numbered(1, 976));
  link.send(numbered(2, 20));
  run();
  // 976 bytes and 24 of overhead, 8 ns each; then 60, the shortest frame there is, and 24.
  expect(arrived).toEqual([
    [1, 8000 + 1000],
    [2, 8000 + 84 * 8 + 1000],
  ]);
  expect(link.counters).toMatchObject({ frames: 2, bytes: 996, dropped: 0, lost: 0 });
});

test('LINK-2: loss, duplication and reordering are drawn as often as is asked, the same with the same seed', () => {
  const quality = {
    ...PERFECT,
    queue_bytes: 1e9,
    loss_ppm: 100_000,
    duplication_ppm: 50_000,
    reordering_ppm: 50_000,
    late_ns: 10_000,
  };
  const play = (seed: number) => {
    const { link, arrived, run } = linkOf(quality, seed);
    for (let i = 0; i < 10_000; i++) link.send(numbered(i));
    run();
    return { arrived, counters: link.counters };
  };
  const { arrived, counters } = play(1);
  expect(play(1).arrived).toEqual(arrived);
  expect(play(2).arrived).not.toEqual(arrived);
  for (const [seen, expected] of [
    [counters.lost, 1000],
    [counters.duplicated, 450],
    [counters.reordered, 450],
  ] as const) {
    expect(Math.abs(seen - expected)).toBeLessThan(expected / 4);
  }
  expect(arrived.length).toBe(10_000 - counters.lost + counters.duplicated);
  const overtaken = arrived.filter(([number], i) => number < (arrived[i - 1]?.[0] ?? 0)).length;
  expect(overtaken).toBeGreaterThan(counters.reordered / 2);
});

test('LINK-2: a link without faults draws nothing', () => {
  const { sim, link, run } = linkOf(PERFECT);
  const untouched = new Sim(1).random.stream('link').next();
  for (let i = 0; i < 100; i++) link.send(numbered(i));
  run();
  expect(sim.random.stream('link').next()).toBe(untouched);
});

test('LINK-3: what does not fit the queue is dropped and counted; an idle link takes any frame', () => {
  const { link, arrived, run } = linkOf({ ...PERFECT, queue_bytes: 2000 });
  const taken = [3000, 60, 1000, 60].map((length, i) => link.send(numbered(i, length)));
  expect(taken).toEqual([true, false, false, false]);
  run();
  expect(arrived.map(([number]) => number)).toEqual([0]);
  expect(link.counters.dropped).toBe(3);
  expect(link.send(numbered(9))).toBe(true);
});

test('LINK-3: whoever waits for room is called once, and then has it, whatever the queue', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1 << 20 }), fc.nat(65_535), (queue_bytes, length) => {
      const { link, run } = linkOf({ ...PERFECT, queue_bytes });
      let sent = 0;
      while (link.hasRoom && sent < 2000) {
        expect(link.send(numbered(sent++, Math.max(4, length)))).toBe(true);
      }
      let calls = 0;
      link.whenRoom(() => {
        calls++;
        expect(link.hasRoom).toBe(true);
      });
      link.whenRoom(() => expect.unreachable());
      run();
      expect(calls).toBe(1);
    }),
  );
});

test('LINK-4: a closed link delivers nothing and calls nobody', () => {
  const { link, arrived, run } = linkOf(PERFECT);
  link.send(numbered(1));
  link.whenRoom(() => expect.unreachable());
  link.close();
  expect(link.send(numbered(2))).toBe(false);
  run();
  expect(arrived).toEqual([]);
});

test('LINK-5: quality changed under way counts from the next frame on', () => {
  const { link, arrived, run } = linkOf(PERFECT);
  link.send(numbered(1));
  link.change({ loss_ppm: 1_000_000 });
  link.send(numbered(2));
  link.change({ loss_ppm: 0 });
  link.send(numbered(3));
  run();
  expect(arrived.map(([number]) => number)).toEqual([1, 3]);
});
