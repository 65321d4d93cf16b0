/*
 * Domains of Xen 2 on a network: page by page, over rings of machine addresses, one of them saved in the midst of it again and again.
 */
import { createHash } from 'node:crypto';
import { Random } from '@port-xen/sim';
import { memoryDisk } from '@tooling/testbed';
import { expect, test } from 'vitest';
import { randomBytes, xen2Amnesiac, xen2Guest } from '../cycle.ts';
import { LOSSY, NetWorld } from '../net/net-world.ts';

const MIB = 2 ** 20;
const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const host = () => ({ interface: 'xen-2.0' }) as const;

test.each([
  ['a good wire', xen2Guest, {}],
  ['a wire that loses packets, in amnesia', xen2Amnesiac, LOSSY],
] as const)(
  'a disk is fetched over %s, while client and server are saved and restored in turn',
  (_, guest, quality) => {
    const world = new NetWorld({ guest, host, quality, seed: 5 });
    const disk = randomBytes(MIB, 5);
    const server = world.boot('server', {
      address: 1,
      program: 'httpd /dev/xbd0 8080',
      disks: { xvda: memoryDisk(disk) },
    });
    world.untilPrinted(server, 'port 8080');
    const copy = memoryDisk(2 * MIB);
    const client = world.boot('client', {
      address: 2,
      program: 'httpget http://10.9.0.1:8080/ > /dev/xbd0',
      disks: { xvda: copy },
    });
    world.untilPrinted(client, 'xennet0: connected');
    for (const who of [client, server, client]) {
      world.runFor(5e6);
      const image = world.save(who);
      if (image === undefined) throw new Error(`${who.name} ended too early`);
      world.runFor(2e9);
      world.restore(image);
    }
    expect(world.untilEnded(client)).toContain(sha256Of(disk));
    expect(sha256Of(copy.flushed().subarray(0, disk.length))).toBe(sha256Of(disk));
    expect(world.audit()).toEqual([]);
  },
);

/** Suspends of the long test. */
const SUSPENDS = Number(process.env.NET_CYCLES ?? 12);

test('suspended at any moment, with any outcome, and again while it comes back, a transfer is whole and nothing is left behind', () => {
  const random = new Random(SUSPENDS, 'suspends');
  const world = new NetWorld({ guest: xen2Guest, host, seed: 9, quality: LOSSY });
  world.keepsFrames = false;
  const disk = randomBytes((SUSPENDS / 12) * MIB, 6);
  const disks = { xvda: memoryDisk(disk) };
  const server = world.boot('server', { address: 1, program: 'httpd /dev/xbd0', disks });
  world.untilPrinted(server, 'port 80');
  const client = world.boot('client', { address: 2, program: 'httpget http://10.9.0.1/' });
  for (let i = 0; i < SUSPENDS && client.ended === undefined; i++) {
    const who = random.below(2) === 0 ? server : client;
    world.runEvents(
      random.below(3) === 0 ? random.below(60) : random.below(6000),
      () => client.ended !== undefined,
    );
    if (client.ended !== undefined) break;
    const how = random.below(3);
    if (how === 0) {
      const image = world.save(who);
      if (image === undefined) break;
      world.restore(image);
    } else {
      const resume = how === 1 ? 'cooperative' : 'reset';
      who.host.saveToBytes(who.domid, { checkpoint: true, resume });
    }
  }
  expect(world.untilEnded(client)).toContain(sha256Of(disk));
  world.runFor(10e6);
  expect(world.audit()).toEqual([]);
  // The client's 256 receive pages, and all else, are the host's again.
  for (const { hv } of world.hosts.filter((one) => one !== server.host)) {
    expect(hv.counts().domains).toEqual([]);
    expect(hv.counts().owned).toBe(0);
  }
});
