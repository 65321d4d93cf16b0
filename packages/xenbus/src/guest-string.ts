import { kassert } from '@port-xen/kern';
import { cString, type Memory } from '@port-xen/layout';

/** Longest path or value that this kernel handles, its NUL included. */
export const XS_STRING_MAX = 256;

/** Puts text, NUL-terminated, where there is room for XS_STRING_MAX bytes. @returns the address */
export const putString = (memory: Memory, address: number, text: string): number => {
  kassert(text.length < XS_STRING_MAX, `xenbus: a string of ${text.length} bytes is too long`);
  memory.write(address, cString(text));
  return address;
};

/** The NUL-terminated text at an address, at most XS_STRING_MAX bytes of it. */
export const getString = (memory: Memory, address: number): string => {
  let text = '';
  for (let i = 0; i < XS_STRING_MAX; i++) {
    const byte = memory.ld8(address + i);
    if (byte === 0) break;
    text += String.fromCharCode(byte);
  }
  return text;
};

/** A string's bytes, a character each: for a field of bytes, which is filled up with NULs. */
export const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

/** A decimal number of a node; -1 when it is none. */
export const numberOf = (text: string): number => (/^\d{1,15}$/.test(text) ? Number(text) : -1);
