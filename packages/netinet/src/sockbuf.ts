/*
 * The bytes of a socket buffer: a ring in guest memory, so that it can never hold more than it was given.
 */
import type { Memory } from '@port-xen/layout';
import { SB_MAX, type Sockbuf } from './socket-var.ts';

/** Bytes that may still be added. */
export const sbspace = (sb: Sockbuf): number => Math.max(0, sb.sb_hiwat - sb.sb_cc);

/** Writes behind the bytes that are there, `off` bytes further on, without counting them (segments out of order). */
export const sbwrite = (memory: Memory, sb: Sockbuf, off: number, bytes: Uint8Array): void => {
  const at = (sb.sb_head + sb.sb_cc + off) % SB_MAX;
  const first = Math.min(bytes.length, SB_MAX - at);
  memory.write(sb.sb_data + at, bytes.subarray(0, first));
  if (first < bytes.length) memory.write(sb.sb_data, bytes.subarray(first));
};

/** Adds bytes at the end; the caller has looked for space. */
export const sbappend = (memory: Memory, sb: Sockbuf, bytes: Uint8Array): void => {
  sbwrite(memory, sb, 0, bytes);
  sb.sb_cc += bytes.length;
};

/** Reads `length` bytes from `off` on into `into`; they stay. */
export const sbpeek = (memory: Memory, sb: Sockbuf, off: number, into: Uint8Array): void => {
  const at = (sb.sb_head + off) % SB_MAX;
  const first = Math.min(into.length, SB_MAX - at);
  memory.read(sb.sb_data + at, into.subarray(0, first));
  if (first < into.length) memory.read(sb.sb_data, into.subarray(first));
};

/** Takes `length` bytes from the front away. */
export const sbdrop = (sb: Sockbuf, length: number): void => {
  sb.sb_head = (sb.sb_head + length) % SB_MAX;
  sb.sb_cc -= length;
};
