/*
 * Two guests do whatever they like for a while: hypercalls with likely, unlikely and absurd arguments, stores through their own
 * mappings, grants mapped and unmapped. Nothing may be thrown but a PageFault of a guest's own access, the books must agree after
 * every few steps, and when both are dead every frame must be back.
 */

import { PageFault } from '@port-xen/vcpu';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { destroyGdt, faultLdt, setGdt, updateDescriptor } from '../../src/descriptors.ts';
import { relinquishMemory } from '../../src/domain-frames.ts';
import { createGrantHostMapping, destroyGrantHostMapping } from '../../src/grant-mapping.ts';
import { copyToGuest } from '../../src/guest-copy.ts';
import type { HostMemory } from '../../src/host-memory.ts';
import { cleanLogDirty, disableLogDirty, enableLogDirty } from '../../src/log-dirty.ts';
import { memoryOp } from '../../src/memory-op.ts';
import { mmuUpdate } from '../../src/mmu-update.ts';
import { mmuextOp } from '../../src/mmuext-op.ts';
import { updateVaMapping } from '../../src/update-va-mapping.ts';
import { BASE, books, buildDomain, makeHost, SCRATCH, type TestVcpu } from './machine.ts';

/** Frames that matter: page tables and data of either guest, Xen's, none. */
type Frame = { readonly kind: 'own' | 'other' | 'raw'; readonly n: number };

interface World {
  readonly host: HostMemory;
  readonly guests: readonly [TestVcpu, TestVcpu];
}

/** One thing that guest `who` does. */
interface Step {
  readonly who: number;
  readonly what: number;
  readonly frame: Frame;
  readonly target: Frame;
  readonly slot: number;
  readonly flags: number;
  readonly high: number;
  readonly word: number;
}

/** Tables, frames that nothing maps yet, and a few others. */
const near = fc.oneof(fc.nat(3), fc.integer({ min: 20, max: 26 }), fc.nat(31));

const frame = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('own' as const), n: near }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('other' as const), n: near }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('raw' as const),
      n: fc.oneof(fc.integer(), fc.constantFrom(0, -1, 2 ** 40 - 1, 2 ** 51, -(2 ** 51))),
    }),
  },
);

const slot = fc.oneof(
  fc.nat(31),
  fc.constantFrom(0, 255, 256, 260, 271, 272, 509, 510, 511),
  fc.nat(511),
);

const flags = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0x1, 0x3, 0x21, 0x23, 0x5, 0x7, 0x63, 0x67, 0) },
  { weight: 1, arbitrary: fc.nat(0xfff) },
);

const step: fc.Arbitrary<Step> = fc.record({
  who: fc.nat(1),
  what: fc.nat(13),
  frame,
  target: frame,
  slot,
  flags,
  high: fc.oneof(fc.constant(0), fc.constantFrom(0x8000_0000 | 0, 0x10_0000, -1), fc.integer()),
  word: fc.integer(),
});

const mfnOf = (world: World, who: number, { kind, n }: Frame): number => {
  const guest = world.guests[kind === 'other' ? 1 - who : who] as TestVcpu;
  return kind === 'raw' ? n : guest.domain.mfn(n);
};

const halves = (value: number): [number, number] => [value | 0, Math.floor(value / 2 ** 32) | 0];

/** Puts arguments where the guest's scratch page is, if it still is. */
const argue = (vcpu: TestVcpu, ...words: number[]): number => {
  copyToGuest(vcpu, SCRATCH, new Uint8Array(Int32Array.from(words).buffer));
  return SCRATCH;
};

const touch = (access: () => void): void => {
  try {
    access();
  } catch (error) {
    if (!(error instanceof PageFault)) throw error;
  }
};

const perform = (world: World, move: Step): void => {
  const { who, what, flags: bits, high, word } = move;
  const vcpu = world.guests[who] as TestVcpu;
  const mfn = mfnOf(world, who, move.frame);
  const target = mfnOf(world, who, move.target);
  const [addressLow, addressHigh] = halves(mfn * 4096);
  const [low, frameHigh] = halves(target * 4096);
  const entry: [number, number] = [low | bits, frameHigh | high];
  const va = BASE + (move.slot & 63) * 4096;
  switch (what) {
    case 0:
    case 1:
    case 2: {
      const pointer = addressLow | (move.slot * 8) | (what === 2 ? word & 7 : 0);
      const foreign = what === 2 && word < 0 ? word : 0x7ff0;
      mmuUpdate(vcpu, argue(vcpu, pointer, addressHigh, ...entry), 1, 0, foreign);
      break;
    }
    case 3:
    case 4:
      updateVaMapping(vcpu, word % 7 === 0 ? word * 2 ** 20 : va, ...entry, word & 7);
      break;
    case 5:
    case 6:
    case 7: {
      const command = what === 5 ? word & 3 : what === 6 ? 4 : word & 31;
      const [nextLow, nextHigh] = halves(what === 7 && command === 13 ? va : mfn);
      const requests = argue(vcpu, command, 0, nextLow, nextHigh, ...halves(target));
      mmuextOp(vcpu, requests, 1, SCRATCH + 512, 0x7ff0);
      break;
    }
    case 8: {
      const [list, listHigh] = halves(SCRATCH + 1024);
      vcpu.domain.maxPages = 60 + (Math.abs(bits) & 31);
      copyToGuest(vcpu, SCRATCH + 1024, new Uint8Array(Int32Array.of(...halves(mfn)).buffer));
      argue(
        vcpu,
        list,
        listHigh,
        1,
        0,
        word & 3,
        0,
        0x7ff0,
        0,
        list,
        listHigh,
        1,
        0,
        word & 3,
        0,
        0x7ff0,
        0,
        0,
        0,
      );
      memoryOp(
        vcpu,
        word & 0x8000 ? word >> 4 : ([0, 1, 6, 11][(word >> 4) & 3] as number),
        SCRATCH,
      );
      break;
    }
    case 9:
      setGdt(vcpu, argue(vcpu, ...halves(mfn), ...halves(target)), bits);
      if (bits & 0x20) destroyGdt(vcpu);
      faultLdt(vcpu, word & 3);
      break;
    case 10:
      updateDescriptor(vcpu, addressLow | (move.slot * 8), addressHigh, word, high);
      break;
    case 11:
      touch(() => vcpu.mmu.st32(va + (word & 0xffc), word & 1 ? entry[0] : word));
      touch(() =>
        vcpu.mmu.write(va + (bits & 0xff8), new Uint8Array(Int32Array.from(entry).buffer)),
      );
      break;
    case 12: {
      const owner = (world.guests[1 - who] as TestVcpu).domain;
      const place = {
        flags: bits | (word & 0x10),
        va,
        low: addressLow | (move.slot * 8),
        high: addressHigh,
      };
      const granted = owner.mfn(Math.abs(word) % 32);
      createGrantHostMapping(vcpu, place, granted, owner.domid);
      if (word & 0x100) destroyGrantHostMapping(vcpu, place, granted);
      break;
    }
    default:
      if (word & 1) enableLogDirty(vcpu.domain);
      else if (word & 2) disableLogDirty(vcpu.domain);
      else cleanLogDirty(vcpu.domain);
      touch(() => vcpu.mmu.ld32(word * 2 ** 16));
      touch(() => vcpu.mmu.fetch32(va + (word & 0xfff)));
  }
};

const live = (seed: number, moves: readonly Step[]): void => {
  const host = makeHost(1024, 3, seed);
  const before = host.allocator.free;
  const guests = [buildDomain(host, 1), buildDomain(host, 2)] as const;
  const world = { host, guests };
  for (const guest of guests) {
    guest.domain.maxPages = 90;
    for (let pfn = 20; pfn < 32; pfn++) {
      updateVaMapping(guest, BASE + pfn * 4096, 0, 0, 2);
    }
  }
  moves.forEach((move, i) => {
    perform(world, move);
    if (i % 8 === 7) expect(books(host)).toEqual([]);
  });
  expect(books(host)).toEqual([]);
  for (const { domain } of guests) {
    domain.dying = true;
    disableLogDirty(domain);
    relinquishMemory(host, domain);
    expect(books(host)).toEqual([]);
  }
  expect(guests.map(({ domain }) => domain.totPages)).toEqual([0, 0]);
  expect(host.allocator.free).toBe(before);
};

describe('hostile guests', () => {
  test('HV-MEM-120: any sequence of hypercalls, stores and grants keeps the books and returns every frame', () => {
    fc.assert(
      fc.property(fc.nat(100), fc.array(step, { minLength: 1, maxLength: 150, size: 'max' }), live),
      {
        numRuns: Number(process.env.HV_RUNS ?? 60),
      },
    );
  }, 600_000);

  test('HV-MEM-121: accounting finds what is wrong', () => {
    const host = makeHost(1024);
    const { domain } = buildDomain(host, 1);
    const i = host.table.index(domain.mfn(20));
    host.table.refs[i] = 9;
    expect(books(host)[0]).toContain('expected 2 references, found mfn');
    host.table.refs[i] = 2;
    host.table.typeRefs[i] = 2;
    expect(books(host)[0]).toContain('expected 1 type references, found mfn');
    host.table.typeRefs[i] = 1;
    domain.totPages++;
    expect(books(host)[0]).toContain('to own 65 frames, found 64');
    domain.totPages--;
    host.memory.words[host.memory.wordIndex(domain.mfn(3)) + 6] = 0;
    expect(books(host)).toHaveLength(1);
  });
});
