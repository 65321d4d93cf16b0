import { expect, test } from 'vitest';
import type { Host } from './host.ts';
import { connected, pair, pattern } from './pair.ts';

/** Writes all of `bytes` from one socket while the other end is read; then closes. */
const transfer = (
  p: ReturnType<typeof pair>,
  from: () => [Host, number],
  to: () => [Host, number],
  bytes: Uint8Array,
  seconds = 600,
): Uint8Array => {
  let sent = 0;
  const got: Uint8Array[] = [];
  let length = 0;
  p.wire.run(seconds, () => {
    const [sender, out] = from();
    const [receiver, into] = to();
    if (sent < bytes.length) sent += sender.write(out, bytes.subarray(sent));
    const part = receiver.read(into);
    if (part.length > 0) {
      got.push(part);
      length += part.length;
    }
    return length >= bytes.length;
  });
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of got) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

test('TCP-1: a stream arrives whole over a clean wire', () => {
  const p = pair();
  const { client, server } = connected(p);
  const bytes = pattern(1 << 20);
  const got = transfer(
    p,
    () => [p.a, client],
    () => [p.b, server],
    bytes,
  );
  expect(got.length).toBe(bytes.length);
  expect(got).toEqual(bytes);
});

test('TCP-1: a stream arrives whole over a wire that loses, reorders and duplicates', () => {
  for (let seed = 1; seed <= 4; seed++) {
    const p = pair({ loss: 30, jitter_ns: 400_000, duplication: 20, corruption: 5 }, seed);
    const { client, server } = connected(p);
    const bytes = pattern(200_000, seed);
    const got = transfer(
      p,
      () => [p.a, client],
      () => [p.b, server],
      bytes,
    );
    expect(got.length).toBe(bytes.length);
    expect(got).toEqual(bytes);
  }
});

test('TCP-1: a stream arrives whole in packets that take several mbufs', () => {
  const p = pair({ loss: 10 }, 2, { mtu: 9000 }, { mtu: 9000 });
  const { client, server } = connected(p);
  expect(p.a.tcb(client)?.t_maxseg).toBe(8960);
  const bytes = pattern(400_000);
  const got = transfer(
    p,
    () => [p.a, client],
    () => [p.b, server],
    bytes,
  );
  expect(got).toEqual(bytes);
  p.wire.run(1);
  expect([p.a.counts().mbufs, p.b.counts().mbufs]).toEqual([0, 0]);
});
