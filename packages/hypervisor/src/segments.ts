/*
 * Whether the processor would load a selector in ring 3, where guests run.
 *
 *   selector   index 15…3 | TI 2: LDT | RPL 1…0
 *   0 … 3      the null selector: nothing to load
 *   GDT        entries up to 7167 are the guest's; 0xe020, 0xe028, 0xe030 are Xen's flat code32, data32 and code64
 */
import { faultLdt } from './descriptors.ts';
import type { GuestVcpu } from './guest-vcpu.ts';

const IN_LDT = 4;
const FIRST_RESERVED_INDEX = 7168;
const FLAT_CODE32 = 0xe020 >>> 3;
const FLAT_DATA32 = 0xe028 >>> 3;
const FLAT_CODE64 = 0xe030 >>> 3;
/** Bits of a descriptor's high word. */
const PRESENT = 0x8000;
const CODE_OR_DATA = 0x1000;
const CODE = 0x800;
/** Of code: readable; of data: writable. */
const ACCESS = 0x200;

const FLAT: ReadonlyMap<number, number> = new Map([
  [FLAT_CODE32, PRESENT | CODE_OR_DATA | CODE | ACCESS],
  [FLAT_DATA32, PRESENT | CODE_OR_DATA | ACCESS],
  [FLAT_CODE64, PRESENT | CODE_OR_DATA | CODE | ACCESS],
]);

/** The high word of the descriptor that a selector names; 0 for none. Guests' descriptors have DPL 3. */
const descriptorOf = (vcpu: GuestVcpu, selector: number): number => {
  const index = selector >>> 3;
  const page = index >>> 9;
  const { memory } = vcpu.domain.host;
  let mfn = -1;
  if ((selector & IN_LDT) !== 0) {
    if (index < vcpu.ldtEntries && faultLdt(vcpu, page)) mfn = vcpu.ldtFrames[page] as number;
  } else if (index >= FIRST_RESERVED_INDEX) {
    return FLAT.get(index) ?? 0;
  } else if (index < vcpu.gdtEntries) mfn = vcpu.gdtFrames[page] as number;
  return mfn < 0 ? 0 : (memory.words[memory.wordIndex(mfn) + (index & 511) * 2 + 1] as number);
};

/** Whether ds, es, fs or gs could be loaded with a selector. */
export const isLoadable = (vcpu: GuestVcpu, selector: number): boolean => {
  if (selector < 4) return true;
  const high = descriptorOf(vcpu, selector);
  const usable = (high & PRESENT) !== 0 && (high & CODE_OR_DATA) !== 0;
  return usable && ((high & CODE) === 0 || (high & ACCESS) !== 0);
};

/** Whether cs could be loaded with a selector of RPL 3. */
export const isCodeSegment = (vcpu: GuestVcpu, selector: number): boolean => {
  if (selector < 4) return false;
  const wanted = PRESENT | CODE_OR_DATA | CODE;
  return (descriptorOf(vcpu, selector) & wanted) === wanted;
};

/** Whether ss could be loaded with a selector of RPL 3. */
export const isStackSegment = (vcpu: GuestVcpu, selector: number): boolean => {
  if (selector < 4) return false;
  const high = descriptorOf(vcpu, selector);
  const wanted = PRESENT | CODE_OR_DATA | ACCESS;
  return (high & (wanted | CODE)) === wanted;
};
