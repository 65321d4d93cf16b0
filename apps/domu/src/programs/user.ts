import { type Next, SYS_exit, SYS_write, syscall, type UserContext } from '@port-xen/kern';
import { ldI64 } from '@port-xen/layout';

/** Text as a program's bytes (Latin-1). */
export const textBytes = (text: string): Uint8Array =>
  Uint8Array.from(text, (character) => character.charCodeAt(0));

/** An argument of the program. @param argv what it was entered with in rsi */
export const argument = (u: UserContext, argv: number, index: number): string => {
  const at = ldI64(u.memory, argv + 8 * index);
  let text = '';
  for (let i = 0; ; i++) {
    const byte = u.memory.ld8(at + i);
    if (byte === 0) return text;
    text += String.fromCharCode(byte);
  }
};

/** All of a program's arguments, its own name first. */
export const argumentsOf = (u: UserContext, argc: number, argv: number): string[] =>
  Array.from({ length: argc }, (_, i) => argument(u, argv, i));

/** An argument that is a number. @param fallback what it is when it is not there */
export const numberOf = (text: string | undefined, fallback: number): number => {
  const number = text === undefined || text === '' ? Number.NaN : Number(text);
  return Number.isSafeInteger(number) && number >= 0 ? number : fallback;
};

/** An argument that is a number, in decimal. @returns undefined for one that is none, or above `max` */
export const wholeNumber = (text: string, max: number): number | undefined =>
  /^\d{1,15}$/.test(text) && Number(text) <= max ? Number(text) : undefined;

/** write(1, text): the text is put at `buffer` first. */
export const print = (u: UserContext, then: string, buffer: number, text: string): Next => {
  u.memory.write(buffer, textBytes(text));
  return syscall(then, SYS_write, 1, buffer, text.length);
};

/** exit(status). */
export const exit = (status: number): Next => syscall('never', SYS_exit, status);

/** An IPv4 address in dotted decimal, in host order; undefined for what is none. */
export const addressOf = (text: string): number | undefined => {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) return undefined;
  return parts.reduce((address, part) => address * 256 + part, 0);
};
