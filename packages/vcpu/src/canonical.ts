/**
 * Whether a 64-bit word (as halves) is a canonical 48-bit address: bits 63 to 47 all alike.
 * Only then does it exist as a Number.
 */
export const isCanonical = (high: number): boolean => {
  const top = high >> 15;
  return top === 0 || top === -1;
};

/** Whether a Number is a canonical 48-bit address. */
export const isCanonicalAddress = (address: number): boolean =>
  address >= -0x8000_0000_0000 && address < 0x8000_0000_0000;

/** An address as Xen prints it: 16 hexadecimal digits. */
export const hex64 = (address: number): string =>
  BigInt.asUintN(64, BigInt(address)).toString(16).padStart(16, '0');
