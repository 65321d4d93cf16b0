import { Panic } from '@port-xen/kern';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MCLBYTES, NMBCLUSTERS } from '../src/mbuf.ts';
import { halfSipHash } from '../src/siphash.ts';
import { connected, pair, pattern } from './pair.ts';

test('MBUF-1: a packet comes out of mbufs as it went in; every mbuf is in use or free, never both', () => {
  const { a } = pair();
  const { mbufs } = a.net;
  const base = mbufs.inUse;
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 5 * MCLBYTES }), { maxLength: 20 }), (lengths) => {
      const packets = lengths.map((length) => mbufs.fromBytes(pattern(length, length)));
      packets.forEach((m, i) => {
        expect(mbufs.toBytes(m)).toEqual(pattern(lengths[i] as number, lengths[i] as number));
      });
      for (const m of packets) mbufs.freem(m);
      const d = mbufs.d;
      expect([mbufs.inUse, d.m_allocated - d.m_freed]).toEqual([base, base]);
    }),
    { numRuns: 30 },
  );
});

test('MBUF-2: an empty pool is said, and a second free is a panic', () => {
  const { a } = pair();
  const { mbufs } = a.net;
  const taken: number[] = [];
  for (let m = mbufs.get(); m !== 0; m = mbufs.get()) taken.push(m);
  expect(taken.length).toBeLessThanOrEqual(NMBCLUSTERS);
  expect(mbufs.fromBytes(pattern(10))).toBe(0);
  expect(mbufs.d.m_denied).toBe(2);
  const first = taken[0] as number;
  mbufs.freem(first);
  expect(() => mbufs.freem(first)).toThrow(Panic);
  mbufs.freem(mbufs.fromBytes(pattern(MCLBYTES)));
  expect(mbufs.fromBytes(pattern(MCLBYTES + 1))).toBe(0);
});

test('MBUF-3: while there are no mbufs frames are lost; afterwards the stream goes on', () => {
  const p = pair();
  const { client, server } = connected(p);
  const taken: number[] = [];
  p.sim.after(1e6, () => {
    for (let m = p.a.net.mbufs.get(); m !== 0; m = p.a.net.mbufs.get()) taken.push(m);
  });
  p.sim.after(5e9, () => {
    for (const m of taken) p.a.net.mbufs.freem(m);
  });
  p.wire.run(2);
  p.a.write(client, pattern(30_000));
  p.wire.run(30);
  expect(p.b.read(server)).toEqual(pattern(30_000));
});

test('TCP-23: the keyed hash is HalfSipHash-2-4', () => {
  // Key 00 01 … 07 and the empty message: the first of the reference's vectors.
  expect(halfSipHash(0x0302_0100, 0x0706_0504, [])).toBe(0x5b9f35a9);
  expect(halfSipHash(0x0302_0100, 0x0706_0504, [0x0302_0100])).not.toBe(0x5b9f35a9);
});
