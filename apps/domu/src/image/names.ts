import type { KernelSymbols } from './saved-kernel.ts';

/** An address in a guest, and what stands there if that is known. */
export interface NamedAddress {
  /** 16 hexadecimal digits. */
  readonly address: string;
  readonly symbol?: string;
}

const ADDRESS_DIGITS = 16;
const WORD_BITS = 64;

/** A number in hexadecimal: frames, pfns, flags. */
export const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

/** A 64-bit word as an address. */
export const hex64 = (word: bigint): string =>
  `0x${BigInt.asUintN(WORD_BITS, word).toString(16).padStart(ADDRESS_DIGITS, '0')}`;

/** The unsigned little-endian word at an offset. */
export const wordAt = (bytes: Uint8Array, offset: number, size = 8): bigint => {
  let word = 0n;
  for (let i = size - 1; i >= 0; i--) word = (word << 8n) | BigInt(bytes[offset + i] ?? 0);
  return word;
};

/** The word as a guest's signed address: exact for every canonical one. */
export const addressOf = (word: bigint): number => Number(BigInt.asIntN(WORD_BITS, word));

/** Names an address. */
export const named = (word: bigint, symbols: KernelSymbols | undefined): NamedAddress => {
  const symbol = symbols?.nameOf(addressOf(word));
  return { address: hex64(word), ...(symbol === undefined ? {} : { symbol }) };
};

/** Text out of a file as it may be put on a terminal: nothing in it can move the cursor. */
export const plain = (text: string): string =>
  text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
    /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
