import { expect, test } from 'vitest';
import { connected, type Pair, pair, pattern } from './pair.ts';

/** Uptimes, ns, at which a client's sequence numbers or timestamps are `before` steps from their end. */
const nearWrap = (
  of: (p: Pair, client: number) => number,
  step_ns: number,
  before: number,
): number => {
  const p = pair();
  const { client } = connected(p);
  const steps = (2 ** 32 - before - of(p, client)) >>> 0;
  return 3_600_000_000_000 + steps * step_ns;
};

const transferred = (uptime_ns: number): [Uint8Array, Pair, number] => {
  const p = pair({ loss: 10, jitter_ns: 200_000 }, 1, { uptime_ns });
  const { client, server } = connected(p);
  const bytes = pattern(100_000);
  let sent = 0;
  const got: number[] = [];
  p.wire.run(300, () => {
    sent += p.a.write(client, bytes.subarray(sent));
    got.push(...p.b.read(server));
    return got.length === bytes.length;
  });
  return [Uint8Array.from(got), p, client];
};

test('TCP-45: a stream runs over the end of the sequence numbers', () => {
  const uptime = nearWrap((p, client) => p.a.tcb(client)?.iss ?? 0, 4000, 50_000);
  const [got, p, client] = transferred(uptime);
  expect(got).toEqual(pattern(100_000));
  const tp = p.a.tcb(client);
  expect((tp?.iss ?? 0) > (tp?.snd_una ?? 0)).toBe(true);
});

test('TCP-45: a stream runs over the end of the timestamps', () => {
  const uptime = nearWrap(
    (p, client) => p.a.net.tcp.tsNow(p.a.tcb(client)?.ts_offset ?? 0),
    1e6,
    5,
  );
  const [got, p, client] = transferred(uptime);
  expect(got).toEqual(pattern(100_000));
  expect(p.a.net.tcp.tsNow(p.a.tcb(client)?.ts_offset ?? 0)).toBeLessThan(1_000_000);
});
