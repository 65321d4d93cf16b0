import { BytesMemory } from '@port-xen/layout';
import { PageFault, PFEC_USER, type VirtualMemory } from '@port-xen/vcpu';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UndoMemory } from '../src/undo-memory.ts';

const SIZE = 256;

/** Memory of 256 bytes; an access beyond them faults before a byte is stored. */
class Small extends BytesMemory implements VirtualMemory {
  ldWords(address: number, into: Int32Array, count: number): void {
    for (let i = 0; i < count; i++) into[i] = this.ld32(address + 4 * i);
  }
  fetch32(address: number): number {
    return this.ld32(address);
  }
  probe(address: number, length: number): void {
    if (address < 0 || address + length > SIZE) throw new PageFault(address, PFEC_USER);
  }
  override st8(address: number, value: number): void {
    this.probe(address, 1);
    super.st8(address, value);
  }
  override st16(address: number, value: number): void {
    this.probe(address, 2);
    super.st16(address, value);
  }
  override st32(address: number, value: number): void {
    this.probe(address, 4);
    super.st32(address, value);
  }
  override write(address: number, from: Uint8Array): void {
    this.probe(address, from.length);
    super.write(address, from);
  }
  override ld8(address: number): number {
    this.probe(address, 1);
    return super.ld8(address);
  }
  override ld16(address: number): number {
    this.probe(address, 2);
    return super.ld16(address);
  }
  override ld32(address: number): number {
    this.probe(address, 4);
    return super.ld32(address);
  }
  override read(address: number, into: Uint8Array): void {
    this.probe(address, into.length);
    super.read(address, into);
  }
}

const store = fc.record({
  size: fc.constantFrom(1, 2, 4, 0),
  address: fc.nat(SIZE + 20),
  value: fc.integer(),
  bytes: fc.uint8Array({ maxLength: 40 }),
});

test('KERN-24: what was stored is there, and after a fault everything is as it was before', () => {
  fc.assert(
    fc.property(fc.array(store, { maxLength: 40 }), (stores) => {
      const bytes = Uint8Array.from({ length: SIZE }, (_, i) => i);
      const plain = new Small(bytes.slice());
      const memory = new UndoMemory(new Small(bytes));
      const before = bytes.slice();
      const apply = (to: VirtualMemory): void => {
        for (const { size, address, value, bytes: run } of stores) {
          if (size === 1) to.st8(address, value);
          else if (size === 2) to.st16(address, value);
          else if (size === 4) to.st32(address, value);
          else to.write(address, run);
        }
      };
      const faults = (act: () => void): boolean => {
        try {
          act();
          return false;
        } catch (error) {
          expect(error).toBeInstanceOf(PageFault);
          return true;
        }
      };
      expect(faults(() => apply(memory))).toBe(faults(() => apply(plain)));
      expect(bytes).toEqual(plain.bytes);
      memory.undo();
      expect(bytes).toEqual(before);
      memory.undo();
      expect(bytes).toEqual(before);
    }),
    { numRuns: 300 },
  );
});
