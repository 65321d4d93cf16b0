import { BytesMemory } from '@port-xen/layout';
import { PageFault, PFEC_USER } from '@port-xen/vcpu';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Cpu, copyin, copyinstr, copyout, VM_MAXUSER_ADDRESS } from '../src/index.ts';

const START = 0x1000;
const SIZE = 64;

/** Sixty-four bytes of a user's memory; everything else faults, as the real memory does. */
const userMemory = () => {
  const bytes = new Uint8Array(SIZE);
  const memory = new BytesMemory(bytes, START);
  const within = (address: number, length: number): boolean =>
    address >= START && address + length <= START + SIZE;
  const probe = (address: number, length: number): void => {
    if (!within(address, length)) throw new PageFault(address, PFEC_USER);
  };
  return { bytes, cpu: { memory: Object.assign(memory, { probe }) } as unknown as Cpu };
};

test('KERN-13: a range that is not all there is EFAULT, and no byte has moved', () => {
  fc.assert(
    fc.property(fc.integer({ min: -200, max: 200 }), fc.nat(100), (offset, length) => {
      const { bytes, cpu } = userMemory();
      bytes.fill(1);
      const address = START + offset;
      const there = offset >= 0 && offset + length <= SIZE;
      expect(copyout(cpu, address, new Uint8Array(length).fill(9))).toBe(there);
      const expected = new Uint8Array(SIZE).fill(1);
      if (there) expected.fill(9, offset, offset + length);
      expect(bytes).toEqual(expected);
      expect(copyin(cpu, address, length)?.length).toBe(there ? length : undefined);
    }),
  );
});

test("KERN-13: an address that is not a user's is EFAULT, wherever the range ends", () => {
  const { cpu } = userMemory();
  for (const [address, length] of [
    [-0x8000_0000, 8],
    [VM_MAXUSER_ADDRESS - 4, 8],
    [VM_MAXUSER_ADDRESS, 0x1_0000],
    [START, -1],
    [2 ** 52, 8],
  ] as const) {
    expect(copyin(cpu, address, length)).toBeUndefined();
  }
});

test('KERN-13: a string ends at its NUL, even when nothing is mapped behind it; a longer one is none', () => {
  const { bytes, cpu } = userMemory();
  bytes.set([104, 105, 0], SIZE - 3);
  expect(copyinstr(cpu, START + SIZE - 3, 100)).toBe('hi');
  expect(copyinstr(cpu, START + SIZE - 3, 3)).toBe('hi');
  expect(copyinstr(cpu, START + SIZE - 3, 2)).toBeUndefined();
  bytes.fill(65);
  expect(copyinstr(cpu, START + SIZE - 4, 100)).toBeUndefined();
});
