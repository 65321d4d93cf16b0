import { xencons_interface } from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConsoleRing, ConsoleRingError } from '../src/console-ring.ts';

const page = (start = 0) => {
  const memory = new BytesMemory(new Uint8Array(4096));
  const intf = xencons_interface.at(memory, 0);
  intf.in_cons = intf.in_prod = intf.out_cons = intf.out_prod = start;
  return { memory, intf, ring: new ConsoleRing(memory) };
};

/** What a guest does to write: as many bytes as fit. */
const guestWrite = (memory: BytesMemory, bytes: Uint8Array): number => {
  const intf = xencons_interface.at(memory, 0);
  const room = 2048 - ((intf.out_prod - intf.out_cons) >>> 0);
  const count = Math.min(room, bytes.length);
  for (let i = 0; i < count; i++) {
    memory.st8(1024 + ((intf.out_prod + i) & 2047), bytes[i] as number);
  }
  intf.out_prod += count;
  return count;
};

/** What a guest does to read: all there is. */
const guestRead = (memory: BytesMemory): number[] => {
  const intf = xencons_interface.at(memory, 0);
  const bytes = [];
  while (intf.in_cons !== intf.in_prod) {
    bytes.push(memory.ld8(intf.in_cons & 1023));
    intf.in_cons += 1;
  }
  return bytes;
};

const index = fc.oneof(
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc.integer({ min: 0xffff_ffff - 3000, max: 0xffff_ffff }),
);
const chunks = fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 12 });

test('XENCONSOLED-1: what the guest wrote comes out once and in order, over every wrap of the index', () => {
  fc.assert(
    fc.property(index, chunks, (start, list) => {
      const { memory, ring } = page(start);
      const sent: number[] = [];
      const got: number[] = [];
      for (const chunk of list) {
        sent.push(...chunk.subarray(0, guestWrite(memory, chunk)));
        got.push(...ring.take());
      }
      expect(got).toEqual(sent);
      expect(ring.take().length).toBe(0);
    }),
  );
});

test('XENCONSOLED-2: what was put in comes out once and in order, and never more than fits', () => {
  fc.assert(
    fc.property(index, chunks, (start, list) => {
      const { memory, ring } = page(start);
      const sent: number[] = [];
      const got: number[] = [];
      for (const [i, chunk] of list.entries()) {
        const count = ring.put(chunk);
        expect(count).toBeLessThanOrEqual(1024);
        sent.push(...chunk.subarray(0, count));
        if (i % 3 !== 0) got.push(...guestRead(memory));
      }
      got.push(...guestRead(memory));
      expect(got).toEqual(sent);
    }),
  );
});

test('XENCONSOLED-2: a full ring takes nothing', () => {
  const { ring } = page(0xffff_fff0);
  expect(ring.put(new Uint8Array(2000))).toBe(1024);
  expect(ring.put(new Uint8Array(1))).toBe(0);
});

test('XENCONSOLED-4: indices that cannot be are an error of their own and move nothing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4096, maxLength: 4096 }), (bytes) => {
      const memory = new BytesMemory(bytes);
      const intf = xencons_interface.at(memory, 0);
      const out = (intf.out_prod - intf.out_cons) >>> 0;
      const before = bytes.slice();
      const ring = new ConsoleRing(memory);
      if (out <= 2048) {
        expect(ring.take().length).toBe(out);
      } else {
        expect(() => ring.take()).toThrow(ConsoleRingError);
        expect(bytes).toEqual(before);
      }
      const waiting = (intf.in_prod - intf.in_cons) >>> 0;
      if (waiting <= 1024) {
        expect(ring.put(new Uint8Array(2000))).toBe(1024 - waiting);
      } else {
        expect(() => ring.put(new Uint8Array(1))).toThrow(ConsoleRingError);
      }
    }),
  );
});

test('XENCONSOLED-4: the report says what was expected and what was found', () => {
  const { intf, ring } = page();
  intf.out_prod = 2049;
  expect(() => ring.take()).toThrow(
    "expected at most 2048 bytes in the console's out ring, found consumer 0 and producer 2049",
  );
});
