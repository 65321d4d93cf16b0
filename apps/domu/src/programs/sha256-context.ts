/*
 * SHA-256 of a message that comes in pieces: all that is known of it is a struct of a program's variables,
 *
 *     h, the hash value | total, bytes taken in | tail_length | tail, what does not fill a block yet
 *
 * which has to lie within one page: taking a piece in is one macro-instruction, and it is done again when a store faults.
 */
import type { UserContext } from '@port-xen/kern';
import { array, bytes, i32, struct, u32, u64, type View } from '@port-xen/layout';
import { SHA256_INITIAL, sha256Blocks, sha256Hex, sha256Padding } from './sha256-block.ts';

const BLOCK = 64;
/** Virtual time of hashing. */
const NS_PER_BYTE = 1;

export const sha256_context = struct('sha256_context', {
  h: array(i32, 8),
  total: u64,
  tail_length: u32,
  tail: bytes(BLOCK),
});

type Context = View<typeof sha256_context>;

const stateOf = (c: Context): Int32Array => Int32Array.from({ length: 8 }, (_, i) => c.h.get(i));

/** Before the first byte. */
export const sha256Init = (c: Context): void => {
  SHA256_INITIAL.forEach((word, i) => {
    c.h.set(i, word);
  });
  c.total = 0;
  c.tail_length = 0;
};

/** Takes `length` bytes of the program's memory in. */
export const sha256Update = (u: UserContext, c: Context, at: number, length: number): void => {
  const tail = c.tail.subarray(0, c.tail_length);
  const message = new Uint8Array(tail.length + length);
  message.set(tail);
  u.memory.read(at, message.subarray(tail.length));
  const state = stateOf(c);
  const whole = Math.floor(message.length / BLOCK) * BLOCK;
  sha256Blocks(state, message.subarray(0, whole));
  u.spend(length * NS_PER_BYTE);
  state.forEach((word, i) => {
    c.h.set(i, word);
  });
  c.total += length;
  c.tail_length = message.length - whole;
  c.tail = message.subarray(whole);
};

/** The digest of everything taken in, as 64 hexadecimal digits. */
export const sha256Digest = (c: Context): string => {
  const state = stateOf(c);
  sha256Blocks(state, sha256Padding(c.tail.subarray(0, c.tail_length), c.total));
  return sha256Hex(state);
};
