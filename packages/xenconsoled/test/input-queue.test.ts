import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InputQueue } from '../src/input-queue.ts';

test('XENCONSOLED-2: what the ring has no room for waits, in order', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 20 }),
      fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1 }),
      (chunks, rooms) => {
        const queue = new InputQueue();
        const got: number[] = [];
        const drain = (room: number) => {
          let left = room;
          queue.drain((bytes) => {
            const taken = Math.min(left, bytes.length);
            got.push(...bytes.subarray(0, taken));
            left -= taken;
            return taken;
          });
        };
        for (const [i, chunk] of chunks.entries()) {
          expect(queue.add(chunk)).toBe(chunk.length);
          drain(rooms[i % rooms.length] as number);
        }
        drain(10_000);
        expect(got).toEqual(chunks.flatMap((chunk) => [...chunk]));
        expect(queue.bytes).toBe(0);
      },
    ),
  );
});

test('XENCONSOLED-3: more than a megabyte is refused', () => {
  const queue = new InputQueue();
  expect(queue.add(new Uint8Array(1_000_000))).toBe(1_000_000);
  expect(queue.add(new Uint8Array(1_000_000))).toBe(48_576);
  expect(queue.add(new Uint8Array(1))).toBe(0);
});
