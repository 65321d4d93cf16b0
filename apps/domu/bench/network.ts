/*
 * What a stream of bytes from a program of one guest to a program of another takes: sockets, TCP, front end, back end, switch, wire,
 * and all of it upwards again, two hosts and two guests in one process. Beside it, in the same run, a plain copy of the same bytes
 * in pieces of a segment's size from one memory to another. Times are of the processor (this process's user and system time).
 *
 *     node bench/network.ts [MIB] [ROUNDS]
 */
import assert from 'node:assert/strict';
import type { HostOptions } from '@tooling/testbed';
import { makeGuest } from '../src/guest.ts';
import { NetWorld } from '../test/net/net-world.ts';

const MIB = 2 ** 20;
const BUFFER = 8192;
const SEGMENT = 1448;
/** A machine's memory is not in its processor's caches. */
const COPY_BYTES = 64 * MIB;
/** So much of a plain copy's rate there must be, whatever is measured. */
const PLAIN_MAX = 5000;

const mib = Number(process.argv[2] ?? 8);
const rounds = Number(process.argv[3] ?? 3);

const KINDS: Readonly<Record<string, Partial<HostOptions>>> = {
  'copying back ends': {},
  'without checksum offload': { netFeatures: { checksumOffload: false } },
  'page flipping back ends': { netFeatures: { rxCopy: false } },
};

/** Processor time of this process, ns. */
const spent_ns = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
};
const timed_ns = (work: () => void): number => {
  const from = spent_ns();
  work();
  return spent_ns() - from;
};
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] as number;

/** Sends a stream. @returns what it took, and the frames that went from guest to back end or back, in ns and in number */
const stream = (host: Partial<HostOptions>): { ns: number; frames: number } => {
  const world = new NetWorld({
    guest: makeGuest(false),
    host: () => host,
    quality: { latency_ns: 10_000, bandwidth_bps: 40e9 },
  });
  world.keepsFrames = false;
  const receiver = world.boot('receiver', { address: 1, program: 'ttcp -r' });
  world.untilPrinted(receiver, 'ttcp-r: socket');
  const program = `ttcp -t -l ${BUFFER} -n ${(mib * MIB) / BUFFER} 10.9.0.1`;
  const sender = world.boot('sender', { address: 2, program });
  world.untilPrinted(sender, 'ring grants');
  const ns = timed_ns(() => world.untilEnded(receiver));
  assert.ok(receiver.text.includes(`ttcp-r: ${mib * MIB} bytes`), receiver.text);
  const counters = world.hosts.map(({ xennetback }) => xennetback.counters);
  const frames = counters.reduce((sum, { txFrames, rxFrames }) => sum + txFrames + rxFrames, 0);
  return { ns, frames: frames / 2 };
};

const from = new Uint8Array(COPY_BYTES).fill(1);
const to = new Uint8Array(COPY_BYTES).fill(2);
const copy_ns = median(
  Array.from({ length: 5 }, () =>
    timed_ns(() => {
      for (let at = 0; at + SEGMENT <= COPY_BYTES; at += SEGMENT) {
        to.set(from.subarray(at, at + SEGMENT), at);
      }
    }),
  ),
);
const plain = COPY_BYTES / copy_ns;
process.stdout.write(`plain copy, ${SEGMENT} bytes at a time: ${(plain * 1000).toFixed(0)} MB/s\n`);
// The first round is for the compiler; after it the kinds take turns.
const runs: Record<string, { ns: number; frames: number }[]> = {};
for (let round = 0; round <= rounds; round++) {
  for (const [name, host] of Object.entries(KINDS)) {
    const run = stream(host);
    if (round > 0) runs[name] = [...(runs[name] ?? []), run];
  }
}
for (const [name, rows] of Object.entries(runs)) {
  const ns = median(rows.map((run) => run.ns));
  const frames = median(rows.map((run) => run.frames));
  const rate = (mib * MIB) / ns;
  process.stdout.write(
    `${name}: ${(rate * 1000).toFixed(1)} MB/s, ${Math.round((frames / ns) * 1e6)} thousand frames/s ` +
      `(${(ns / frames / 1000).toFixed(1)} µs each); the plain copy is ${(plain / rate).toFixed(0)} times as fast\n`,
  );
  assert.ok(plain / rate < PLAIN_MAX, name);
}
