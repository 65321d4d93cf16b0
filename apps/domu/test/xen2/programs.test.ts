/*
 * Programs in domains of Xen 2, saved among their work: what they do is what they would have done.
 */
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
import { copyOverAndOver, MIB, patternOf, swapping, threeAtOnce } from '../disk-programs.ts';

describe.each([
  ['plain', xen2Guest, 3],
  ['amnesia', xen2Amnesiac, 8],
])('%s', (_, kernel, coarse) => {
  test('cp copies a disk, saved wherever it is; every block is on the medium when it is answered', () => {
    copyOverAndOver(kernel, coarse * 3.7e6);
  });

  test('pattern’s disk holds what it says, saved twice', () => {
    patternOf(kernel, [0.5]);
  });

  test('three at a time from sh, with three disks on one ring, saved among them', () => {
    threeAtOnce(kernel, [40e6, 3e6]);
  });
});

test('pages go to the swap disk and come back, also when they travel at a save', () => {
  swapping(xen2Guest, 150e6);
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
