/*
 * A disk is fetched over wires that lose, delay and reorder, while the server, the client, or both leave for other hosts and come
 * back, at moments drawn from all of the transfer.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Random } from '@port-xen/sim';
import { memoryDisk } from '@tooling/testbed';
import { expect, test } from 'vitest';
import type { Guest } from '../../src/guest.ts';
import { TraceHash } from '../../src/trace-hash.ts';
import { amnesiac, guest, randomBytes } from '../cycle.ts';
import { scratch } from '../domu.ts';
import { LOSSY, NetWorld } from './net-world.ts';

const MIB = 2 ** 20;
/** Transfers, and moments in each: 200 moments by default. */
const TRANSFERS = Number(process.env.NET_TRANSFERS ?? 10);
const MOMENTS = 20;
const LIMIT_MS = 3_600_000;

interface Transfer {
  readonly kernel: Guest;
  readonly seed: number;
  readonly size: number;
  readonly moments: number;
  /** Between two moments, at most: about what the transfer takes, divided by the moments. */
  readonly events: number;
}

/** @returns how many moments there were before the transfer was over */
const transfer = ({ kernel, seed, size, moments, events }: Transfer): number => {
  const bytes = randomBytes(size, seed);
  const random = new Random(seed, 'moments');
  const world = new NetWorld({ seed, guest: kernel, quality: LOSSY });
  const disks = { xvda: memoryDisk(bytes) };
  const server = world.boot('server', { address: 1, program: 'httpd /dev/xbd0', disks });
  world.untilPrinted(server, 'port 80');
  const client = world.boot('client', { address: 2, program: 'httpget http://10.9.0.1/disk' });
  const digest = createHash('sha256').update(bytes).digest('hex');
  // A late copy of an old segment that finds the connection closed is answered so, which harms nobody.
  world.onReset = () => expect(client.text).toContain(digest);
  let happened = 0;
  for (; happened < moments; happened++) {
    world.runEvents(random.between(1, 2 * events), () => client.ended !== undefined);
    if (client.ended !== undefined) break;
    const who = [[server], [client], [server, client], [client, server]][random.below(4)] ?? [];
    const images = who.filter(({ ended }) => ended === undefined).map((one) => world.save(one));
    if (random.below(4) === 0) world.runFor(random.between(1e6, 3e9));
    for (const image of images) if (image !== undefined) world.restore(image);
  }
  expect(world.untilEnded(client)).toContain(digest);
  expect(client.ended).toBe(0);
  world.runFor(10e6);
  expect(world.audit()).toEqual([]);
  if (seed <= 3) expect(world.complaints()).toEqual([]);
  return happened;
};

test(
  `1 MiB comes whole over lossy wires, whoever is saved and restored meanwhile: ${TRANSFERS * MOMENTS} moments`,
  () => {
    let moments = 0;
    for (let seed = 1; moments < TRANSFERS * MOMENTS; seed++) {
      moments += transfer({ kernel: guest, seed, size: MIB, moments: MOMENTS, events: 900 });
    }
  },
  LIMIT_MS,
);

/** The trace of a small transfer in which both move once. */
const traceOf = (kernel: Guest): string => {
  const world = new NetWorld({ seed: 5, guest: kernel, quality: LOSSY });
  const trace = new TraceHash(world.sim.trace);
  const disks = { xvda: memoryDisk(randomBytes(MIB / 16, 5)) };
  const server = world.boot('server', { address: 1, program: 'httpd /dev/xbd0', disks });
  world.untilPrinted(server, 'port 80');
  const client = world.boot('client', { address: 2, program: 'httpget http://10.9.0.1/' });
  for (const who of [server, client]) {
    world.runFor(1.2e6);
    const image = world.save(who);
    if (image !== undefined) world.restore(image);
  }
  world.untilEnded(client);
  expect(client.ended).toBe(0);
  return trace.digest();
};

test('the same world twice leaves the same trace, and in amnesia too', () => {
  const trace = traceOf(guest);
  expect(traceOf(guest)).toBe(trace);
  expect(traceOf(amnesiac)).toBe(trace);
});

test('the same in amnesia', () => {
  for (const seed of [1, 2]) {
    transfer({ kernel: amnesiac, seed, size: MIB / 8, moments: 4, events: 2000 });
  }
});

test(
  'both guests go on in another process, in another world',
  () => {
    const folder = scratch();
    const secondLife = fileURLToPath(new URL('second-life.ts', import.meta.url));
    for (const seed of [1, 2, 3]) {
      const bytes = randomBytes(MIB, seed);
      const world = new NetWorld({ seed, guest, quality: LOSSY });
      const disks = { xvda: memoryDisk(bytes) };
      const server = world.boot('server', { address: 1, program: 'httpd /dev/xbd0', disks });
      world.untilPrinted(server, 'port 80');
      const client = world.boot('client', { address: 2, program: 'httpget http://10.9.0.1/disk' });
      world.runEvents(3000 * seed, () => false);
      const images = [world.save(server), world.save(client)];
      expect(client.ended).toBe(undefined);
      writeFileSync(folder('disk'), bytes);
      for (const image of images) if (image) writeFileSync(folder(image.of.name), image.bytes);
      const paths = ['server', 'client', 'disk'].map(folder);
      const { status, stdout, stderr } = spawnSync(process.execPath, [secondLife, ...paths], {
        encoding: 'utf8',
      });
      expect([status, stderr]).toEqual([0, '']);
      expect(stdout).toContain(createHash('sha256').update(bytes).digest('hex'));
    }
  },
  LIMIT_MS,
);
