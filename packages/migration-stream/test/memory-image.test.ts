import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MemoryImage, sourceOfFile } from '../src/index.ts';

const some = fc.uint8Array({ maxLength: 40 });

test('MIG-35: what was written is there, in its order, at any offset and whenever it is looked at', () => {
  fc.assert(
    fc.property(
      some,
      fc.array(fc.array(some, { maxLength: 3 }), { maxLength: 6 }),
      (first, calls) => {
        const image = new MemoryImage(first);
        const expected = [...first];
        for (const chunks of calls) {
          image.write(chunks);
          expected.push(...chunks.flatMap((chunk) => [...chunk]));
          // They are the writer's again.
          for (const chunk of chunks) chunk.fill(0xee);
          const at = Math.floor(expected.length / 3);
          const into = new Uint8Array(expected.length).fill(0x77);
          expect(image.size).toBe(expected.length);
          expect(image.readAt(at, into)).toBe(expected.length - at);
          expect([...into]).toEqual([...expected.slice(at), ...Array(at).fill(0x77)]);
        }
        expect([...image.bytes]).toEqual(expected);
        expect(image.readAt(expected.length, new Uint8Array(1))).toBe(0);
      },
    ),
  );
});

test('MIG-35: a source of it gives all of it, in pieces of any size, and passes over what it is told to', () => {
  fc.assert(
    fc.property(
      some,
      fc.array(fc.record({ skip: fc.boolean(), length: fc.nat(12) })),
      (bytes, steps) => {
        const source = sourceOfFile(new MemoryImage(bytes));
        let at = 0;
        for (const { skip, length } of steps) {
          const rest = Math.min(length, bytes.length - at);
          const into = new Uint8Array(length);
          expect(skip ? source.skip?.(length) : source.read(into)).toBe(rest);
          if (!skip) expect(into.subarray(0, rest)).toEqual(bytes.subarray(at, at + rest));
          at += rest;
        }
      },
    ),
  );
});
