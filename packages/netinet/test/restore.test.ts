/* Law L2: a guest is its pages. The hosts are frozen at any moment and made again from nothing but their bytes. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TCPS_ESTABLISHED } from '../src/tcp-var.ts';
import { segmentOf } from './frames.ts';
import type { Host } from './host.ts';
import { connected, type Pair, pair, pattern } from './pair.ts';

/** Both ends send to each other at once, and read. */
class Traffic {
  readonly hosts: [Host, Host];
  readonly sockets: readonly [number, number];
  readonly bytes: readonly [Uint8Array, Uint8Array];
  readonly sent: [number, number] = [0, 0];
  readonly got: [Uint8Array, Uint8Array];
  readonly length: [number, number] = [0, 0];

  constructor(p: Pair, sockets: readonly [number, number], size: number, seed: number) {
    this.hosts = [p.a, p.b];
    this.sockets = sockets;
    this.bytes = [pattern(size, seed), pattern(size, seed + 1)];
    this.got = [new Uint8Array(size), new Uint8Array(size)];
  }

  step(): boolean {
    for (const end of [0, 1] as const) {
      const host = this.hosts[end];
      if (host.away) continue;
      const so = this.sockets[end];
      this.sent[end] += host.write(so, this.bytes[end].subarray(this.sent[end]));
      const part = host.read(so);
      this.got[end].set(part, this.length[end]);
      this.length[end] += part.length;
    }
    return this.length.every((length, end) => length === (this.bytes[end] as Uint8Array).length);
  }

  whole(): boolean {
    return [0, 1].every((end) =>
      (this.got[end] as Uint8Array).every((byte, i) => byte === this.bytes[1 - end]?.[i]),
    );
  }
}

/** Leaves, is away, and goes on as another host made from the bytes. */
const move = (p: Pair, traffic: Traffic, end: 0 | 1, away_s: number): void => {
  const old = traffic.hosts[end];
  old.away = true;
  const uptime = old.hardware.uptime_ns();
  p.sim.after(away_s * 1e9, () => {
    const next = old.moved();
    // Uptime stood still, whatever the clocks of the hosts say.
    next.hardware.setUptime(uptime);
    next.away = false;
    traffic.hosts[end] = next;
    p.wire.plug(end, next);
    next.up();
  });
};

test('TCP-70: streams both ways are intact whenever either end is frozen and made again', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1 << 20 }),
      fc.array(
        fc.record({
          at_ms: fc.integer({ min: 0, max: 3000 }),
          end: fc.constantFrom(0 as const, 1 as const),
          away_ms: fc.integer({ min: 0, max: 20_000 }),
        }),
        { minLength: 1, maxLength: 4 },
      ),
      (seed, moves) => {
        const p = pair({ loss: 10, jitter_ns: 300_000, duplication: 5 }, seed);
        const { client, server } = connected(p);
        const traffic = new Traffic(p, [client, server], 150_000, seed);
        const resets: number[] = [];
        p.wire.filter = (frame) => {
          const seg = segmentOf(frame);
          if (seg !== undefined && (seg.flags & 4) !== 0) resets.push(seg.seq);
          return false;
        };
        for (const { at_ms, end, away_ms } of moves) {
          p.sim.after(at_ms * 1e6, () => {
            if (!traffic.hosts[end].away) move(p, traffic, end, away_ms / 1e3);
          });
        }
        const done = p.wire.run(600, () => traffic.step());
        expect(traffic.length).toEqual([150_000, 150_000]);
        expect(done && traffic.whole()).toBe(true);
        expect(resets).toEqual([]);
        const [a, b] = traffic.hosts;
        expect(a.net.mbufs.d.m_allocated - a.net.mbufs.d.m_freed).toBe(a.counts().mbufs);
        expect(b.net.mbufs.d.m_allocated - b.net.mbufs.d.m_freed).toBe(b.counts().mbufs);
      },
    ),
    { numRuns: 12 },
  );
});

test('TCP-70: every object of both guests made anew before every event', () => {
  const p = pair({ loss: 20, jitter_ns: 300_000 }, 5);
  const { client, server } = connected(p);
  const traffic = new Traffic(p, [client, server], 60_000, 3);
  p.wire.run(600, () => {
    p.a.relink();
    p.b.relink();
    return traffic.step();
  });
  expect(traffic.length).toEqual([60_000, 60_000]);
  expect(traffic.whole()).toBe(true);
});

test('TCP-71: timestamps never go back over a restore, whatever the uptime of the new host', () => {
  for (const away_s of [0.5, 3600]) {
    const p = pair();
    const { client, server } = connected(p);
    const traffic = new Traffic(p, [client, server], 1000, 1);
    const sent: number[] = [];
    p.wire.filter = (frame, from) => {
      const seg = segmentOf(frame);
      if (from === 0 && seg?.hasTs === true) sent.push(seg.tsval);
      return false;
    };
    p.wire.run(1, () => traffic.step());
    // Nothing is owed when the domain leaves, or the peer would lose patience.
    p.wire.run(2);
    // The clock of the peer's host runs on; nothing of it is seen by the domain that is away.
    move(p, traffic, 0, away_s);
    p.wire.run(away_s + 1);
    const back = traffic.hosts[0];
    back.write(client, pattern(1000, 9));
    p.wire.run(2);
    const got = traffic.hosts[1].read(server);
    expect([away_s, got.length]).toEqual([away_s, 1000]);
    expect(sent.length).toBeGreaterThanOrEqual(3);
    for (let i = 1; i < sent.length; i++) {
      expect(((sent[i] as number) - (sent[i - 1] as number)) | 0).toBeGreaterThanOrEqual(0);
    }
    expect(back.tcb(client)?.t_state).toBe(TCPS_ESTABLISHED);
  }
});

test('ARP-6: a domain that comes back announces itself at once, and again after two seconds', () => {
  const p = pair();
  const { client, server } = connected(p);
  const traffic = new Traffic(p, [client, server], 1, 1);
  p.wire.run(5, () => traffic.step());
  const announced: number[] = [];
  move(p, traffic, 0, 1);
  const back = p.sim.now_ns + 1e9;
  p.wire.filter = (frame, from) => {
    const arp = frame[12] === 8 && frame[13] === 6;
    if (from === 0 && arp && frame.slice(28, 32).every((byte, i) => byte === frame[38 + i])) {
      announced.push(Math.round((p.sim.now_ns - back) / 1e7) / 100);
    }
    return false;
  };
  p.wire.run(10);
  expect(announced.length).toBe(2);
  expect(announced[0]).toBeLessThan(0.01);
  expect(announced[1]).toBeCloseTo(2, 1);
});
