/*
 * Programs in domains of Xen 2, saved among their work: what they do is what they would have done.
 */
import { createHash } from 'node:crypto';
import { XS_INTRODUCE } from '@port-xen/abi';
import { memoryDisk, type TestHost } from '@tooling/testbed';
import { describe, expect, test } from 'vitest';
import {
  boot,
  emptyHost,
  finish,
  guest,
  type Life,
  randomBytes,
  runToRequest,
  vanish,
  wakeUp,
  xen2Amnesiac,
  xen2Guest,
} from '../cycle.ts';
import { runWorkload } from '../workload.ts';

const MIB = 2 ** 20;
const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** What `pattern` says that its disk holds. */
const promised = (text: string): string | undefined => /pattern: .*sha256 (\w{64})/.exec(text)?.[1];

describe.each([
  ['plain', xen2Guest, 3],
  ['amnesia', xen2Amnesiac, 8],
])('%s', (_, kernel, coarse) => {
  test('cp copies a disk, saved wherever it is; every block is on the medium when it is answered', () => {
    const source = randomBytes(MIB + 512, 7);
    for (let at_ns = 0; at_ns < 36e6; at_ns += coarse * 3.7e6) {
      const disks = { xvda: memoryDisk(source.slice()), xvdb: memoryDisk(2 * MIB) };
      const work = { guest: kernel, cmdline: 'init=cp /dev/xbd0 /dev/xbd1', disks };
      const { text } = runWorkload(work, [at_ns]);
      expect(text).toContain(`cp: ${MIB + 512} bytes copied\n`);
      expect(sha256Of(disks.xvdb.flushed().subarray(0, source.length))).toBe(sha256Of(source));
    }
  });

  test('pattern’s disk holds what it says, saved twice', () => {
    const whole = memoryDisk(MIB / 2);
    const cmdline = 'init=pattern /dev/xbd0 11 2';
    const alone = runWorkload({ guest: kernel, cmdline, disks: { xvda: whole } });
    expect(promised(alone.text)).toBe(sha256Of(whole.bytes));
    const disk = memoryDisk(MIB / 2);
    const lives = [0.5 * alone.last_ns, 0.05 * alone.last_ns];
    const { text } = runWorkload({ guest: kernel, cmdline, disks: { xvda: disk } }, lives);
    expect(promised(text)).toBe(promised(alone.text));
    expect(sha256Of(disk.flushed())).toBe(promised(text));
  });

  test('three at a time from sh, with three disks on one ring, saved among them', () => {
    const source = randomBytes(MIB, 3);
    const commands =
      'pattern /dev/xbd1 5 1 & cp /dev/xbd0 /dev/xbd2 & vmstress 2 2 150 & jobs; wait; echo status $?';
    const disks = {
      xvda: memoryDisk(source.slice()),
      xvdb: memoryDisk(MIB / 2),
      xvdc: memoryDisk(MIB),
    };
    const work = { guest: kernel, cmdline: `init=sh -c ${commands}`, disks };
    const { text } = runWorkload(work, [40e6, 3e6]);
    expect(text).toContain('vmstress: 512 pages, 2 children, 150 rounds, 0 failed\n');
    expect(text).toContain(`cp: ${MIB} bytes copied\n`);
    expect(sha256Of(disks.xvdb.bytes)).toBe(promised(text));
    expect(sha256Of(disks.xvdc.bytes)).toBe(sha256Of(source));
    for (const job of [1, 2, 3]) expect(text).toContain(`[${job}] Done`);
    expect(text).toContain('status 0\n');
  });
});

test('pages go to the swap disk and come back, also when they travel at a save', () => {
  const disk = memoryDisk(24 * MIB);
  const work = {
    guest: xen2Guest,
    cmdline: 'swap=/dev/xbd0 init=vmstress 14 1 50',
    disks: { xvda: disk },
  };
  const { text } = runWorkload(work, [150e6, 50e6]);
  expect(text).toContain('swapctl: /dev/xbd0, 6144 pages\n');
  expect(text).toContain('vmstress: 3584 pages, 1 children, 50 rounds, 0 failed\n');
  expect(disk.bytes.some((byte) => byte !== 0)).toBe(true);
});

test.each([
  ['xen-2.0', xen2Guest, 0],
  ['xen-3.0', guest, 2],
] as const)(
  'xenstored hears of a domain of %s as often as it has to: of one of Xen 2 never',
  (_, kernel, times) => {
    const introduced: unknown[] = [];
    const talked = new Set<number>();
    const life: Life = {
      program: 'sha256 /dev/xbd0',
      memoryMib: 16,
      disks: { xvda: memoryDisk(randomBytes(MIB, 9)) },
      guest: kernel,
    };
    const host = (slot: number): TestHost => {
      const made = emptyHost(life, slot);
      made.sim.trace.listen((kind, domid, [, type]) => {
        if (kind === 'xenstore' && type === XS_INTRODUCE) introduced.push(type);
        if (kind === 'xenstore' && domid !== 0) talked.add(domid);
      });
      return made;
    };
    const here = host(0);
    const domid = boot(here, life);
    runToRequest(here, 9);
    const image = vanish(here, domid);
    const there = host(1);
    expect(finish(there, wakeUp(there, life, image))).toMatch(/[0-9a-f]{64}\n/);
    // A request and its answer each time.
    expect(introduced).toHaveLength(2 * times);
    expect(talked.size).toBe(times);
  },
);
