/*
 * Bytes a second through two whole stacks (socket buffer, TCP, IP, Ethernet, mbuf, and all of it upwards again), against a plain copy
 * of the same bytes between the same two memories.
 */
import { expect, test } from 'vitest';
import { IFCAP_CSUM_TX } from '../src/ifnet.ts';
import { connected, pair, pattern } from '../test/pair.ts';

const SIZE = 1 << 20;

test('a stream of 1 MiB', async ({ bench }) => {
  const bytes = pattern(SIZE);
  const megabytes = (perSecond: number): number => (perSecond * SIZE) / 1e6;
  const figures: Record<string, number> = {};
  for (const [name, capenable] of [
    ['checksums in software', 0],
    ['checksum offload', IFCAP_CSUM_TX],
  ] as const) {
    const p = pair({ delay_ns: 10_000 }, 1, { capenable }, { capenable });
    const { client, server } = connected(p);
    const stream = await bench(name, () => {
      let sent = 0;
      let got = 0;
      p.wire.run(60, () => {
        if (sent < SIZE) sent += p.a.write(client, bytes.subarray(sent));
        got += p.b.read(server).length;
        return got === SIZE;
      });
      if (got !== SIZE) throw new Error(`expected ${SIZE} bytes, found ${got}`);
    }).run();
    figures[name] = megabytes(stream.throughput.mean);
  }
  const { a, b } = pair();
  const [from, to] = [a.net.sockets.rings, b.net.sockets.rings];
  const buffer = new Uint8Array(1460);
  const copy = await bench('plain copy', () => {
    for (let at = 0; at < SIZE; at += buffer.length) {
      a.machine.memory.read(from + at, buffer);
      b.machine.memory.write(to + at, buffer);
    }
  }).run();
  const plain = megabytes(copy.throughput.mean);
  for (const [name, figure] of Object.entries(figures)) {
    console.log(
      `${name}: ${figure.toFixed(0)} MB/s, ${(plain / figure).toFixed(0)} times a plain copy's time`,
    );
    expect(plain / figure).toBeLessThan(5000);
  }
  console.log(`plain copy, 1460 bytes at a time: ${plain.toFixed(0)} MB/s`);
});
