/*
 * Any block of a pcapng file, and the options at its end (draft-ietf-opsawg-pcapng, sections 3.1 and 3.5), little-endian:
 *
 *     type u32 · length u32 · body, padded to 4 · options · length u32
 *     option: code u16 · length u16 · value, padded to 4           the last one: 0 u16 · 0 u16
 *
 * Both lengths count the whole block. A block without options has no last one either.
 */

/** A code and its value. */
export type Option = readonly [code: number, value: Uint8Array];

/** Longest value that an option's 16-bit length can say. */
export const MAX_OPTION_BYTES = 0xffff;

const FRAME_BYTES = 12;
const OPTION_HEADER_BYTES = 4;

const padded = (length: number): number => (length + 3) & ~3;

/** Puts a block together. */
export const block = (
  type: number,
  body: Uint8Array,
  options: readonly Option[] = [],
): Uint8Array => {
  let length = FRAME_BYTES + padded(body.length);
  for (const [, value] of options) length += OPTION_HEADER_BYTES + padded(value.length);
  if (options.length > 0) length += OPTION_HEADER_BYTES;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, length, true);
  bytes.set(body, 8);
  let at = 8 + padded(body.length);
  for (const [code, value] of options) {
    view.setUint16(at, code, true);
    view.setUint16(at + 2, value.length, true);
    bytes.set(value, at + OPTION_HEADER_BYTES);
    at += OPTION_HEADER_BYTES + padded(value.length);
  }
  view.setUint32(length - 4, length, true);
  return bytes;
};

/** `words` as 32-bit words. */
export const words = (...words: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  for (const [i, word] of words.entries()) view.setUint32(4 * i, word, true);
  return bytes;
};

/** A non-negative integer below 2^53 as a 64-bit word, low half first. */
export const wide = (value: number): Uint8Array =>
  words(value % 0x1_0000_0000, Math.floor(value / 0x1_0000_0000));
