import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  hex64,
  isCanonical,
  isCanonicalAddress,
  RAX,
  Registers,
  RFLAGS,
  RIP,
} from '../src/index.ts';

test('VCPU-1: a register keeps any integer below 2^53 in two halves', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: RFLAGS }),
      fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 }),
      (register, value) => {
        const r = new Registers();
        r.set(register, value);
        expect(r.get(register)).toBe(value);
        const whole = BigInt.asIntN(
          64,
          (BigInt(r.high(register)) << 32n) | BigInt(r.low(register) >>> 0),
        );
        expect(whole).toBe(BigInt(value));
        const others = [...r.words].filter((_, i) => i >> 1 !== register);
        expect(others.every((word) => word === 0)).toBe(true);
      },
    ),
  );
});

test('VCPU-2: an address is canonical when bits 63 to 47 are alike', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
      const canonical = BigInt.asIntN(48, value) === value;
      expect(isCanonical(Number(BigInt.asIntN(32, value >> 32n)))).toBe(canonical);
    }),
  );
  expect(isCanonicalAddress(-0x8000_0000_0000)).toBe(true);
  expect(isCanonicalAddress(0x8000_0000_0000)).toBe(false);
});

test('VCPU-2: addresses are printed as Xen prints them', () => {
  expect(hex64(-0x7fe0_0000)).toBe('ffffffff80200000');
  const r = new Registers();
  r.setPair(RIP, -1, 0x7fff);
  expect(hex64(r.get(RIP))).toBe('00007fffffffffff');
  expect(r.get(RAX)).toBe(0);
});
