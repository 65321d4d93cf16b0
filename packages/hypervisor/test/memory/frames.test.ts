import { Random } from '@port-xen/sim';
import { describe, expect, test } from 'vitest';
import { EXTENT_FRAMES, FrameAllocator } from '../../src/frame-allocator.ts';
import { MachineMemory } from '../../src/machine-memory.ts';
import { books, buildDomain, makeHost } from './machine.ts';

const allocator = (frames: number, seed: number): FrameAllocator =>
  new FrameAllocator(
    new MachineMemory(new ArrayBuffer(frames * 4096), 0, 0, frames),
    3,
    new Random(seed),
  );

describe('machine memory', () => {
  test('HV-MEM-1: machine addresses are mfn * 4096 + offset, little-endian, aligned or not', () => {
    const memory = new MachineMemory(new ArrayBuffer(8192), 0, 7, 2);
    memory.st32(7 * 4096 + 4094, 0x1234_5678);
    expect(memory.ld16(7 * 4096 + 4094)).toBe(0x5678);
    expect(memory.ld8(8 * 4096)).toBe(0x34);
    expect(memory.ld32(7 * 4096 + 4094)).toBe(0x1234_5678);
    expect([...memory.frameBytes(8).subarray(0, 2)]).toEqual([0x34, 0x12]);
    const bytes = new Uint8Array(4);
    memory.read(7 * 4096 + 4094, bytes);
    expect([...bytes]).toEqual([0x78, 0x56, 0x34, 0x12]);
  });

  test('HV-MEM-1: an address of another host is an error', () => {
    const memory = new MachineMemory(new ArrayBuffer(8192), 0, 7, 2);
    expect(() => memory.ld8(7 * 4096 - 1)).toThrow(RangeError);
    expect(() => memory.ld32(9 * 4096 - 2)).toThrow(RangeError);
    expect(() => memory.frameBytes(9)).toThrow(RangeError);
    expect(() => new MachineMemory(new ArrayBuffer(4096), 0, 0, 2)).toThrow(RangeError);
  });
});

describe('allocator', () => {
  test('HV-MEM-2: extents come in an order that the seed draws', () => {
    const order = (seed: number): number[] => {
      const frames = allocator(512 * 16, seed);
      return Array.from({ length: 15 }, () => frames.allocate(9));
    };
    expect(order(1)).toEqual(order(1));
    expect(order(1)).not.toEqual(order(2));
    expect(new Set(order(3)).size).toBe(15);
    for (const mfn of order(4)) expect(mfn % EXTENT_FRAMES).toBe(0);
  });

  test('HV-MEM-2: freed frames come together to extents again', () => {
    const frames = allocator(512 * 4, 5);
    const all: number[] = [];
    for (let mfn = frames.allocate(0); mfn >= 0; mfn = frames.allocate(0)) all.push(mfn);
    expect(all.length).toBe(512 * 4 - 3);
    expect(frames.free).toBe(0);
    expect(Math.min(...all)).toBe(3);
    for (const mfn of new Random(1).shuffle(all)) frames.release(mfn);
    expect([frames.allocate(9), frames.allocate(9), frames.allocate(9)].every((m) => m > 0)).toBe(
      true,
    );
    expect(frames.allocate(9)).toBe(-1);
  });

  test('HV-MEM-2: when extents run out the single frames are still given', () => {
    const frames = allocator(1024, 1);
    expect(frames.allocate(9)).toBe(512);
    expect(frames.allocate(9)).toBe(-1);
    expect(frames.allocate(0)).toBeGreaterThanOrEqual(3);
  });

  test('HV-MEM-2: a frame freed twice is a bug of ours', () => {
    const frames = allocator(1024, 1);
    const mfn = frames.allocate(0);
    frames.release(mfn);
    expect(() => frames.release(mfn)).toThrow('freed twice');
  });

  test('HV-MEM-3: a frame is zero when it is given, whoever had it', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    const given = host.allocator.allocate(0);
    host.memory.frameBytes(given).fill(7);
    host.allocator.release(given);
    const all: number[] = [];
    for (let mfn = host.allocator.allocate(0); mfn >= 0; mfn = host.allocator.allocate(0)) {
      all.push(mfn);
      expect(host.memory.frameBytes(mfn).every((byte) => byte === 0)).toBe(true);
    }
    expect(all).toContain(given);
    for (const mfn of all) host.allocator.release(mfn);
    expect(vcpu.domain.totPages).toBe(64);
    expect(books(host)).toEqual([]);
  });
});
