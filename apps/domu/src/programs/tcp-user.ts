/*
 * What the programs that use TCP share.
 */
import { type Next, SYS_write, syscall, type UserContext } from '@port-xen/kern';
import { AF_INET, SOCK_STREAM, SYS_setsockopt, SYS_socket } from '@port-xen/netinet';

const INT_LEN = 4;
const PORT_MAX = 65535;

/** A port number; undefined for what is none. */
export const portOf = (text: string): number | undefined => {
  const port = Number(text);
  return /^\d+$/.test(text) && port > 0 && port <= PORT_MAX ? port : undefined;
};

/** socket(AF_INET, SOCK_STREAM). */
export const tcpSocket = (then: string): Next => syscall(then, SYS_socket, AF_INET, SOCK_STREAM, 0);

/** setsockopt(2) of an int, which is put at `buffer` first. */
export const setOption = (
  u: UserContext,
  then: string,
  buffer: number,
  [fd, level, option, value]: readonly [fd: number, level: number, option: number, value: number],
): Next => {
  u.memory.st32(buffer, value);
  return syscall(then, SYS_setsockopt, fd, level, option, buffer, INT_LEN);
};

/** write(2) of what has not been written of `length` bytes at `buffer`. */
export const writeRest = (
  then: string,
  fd: number,
  buffer: number,
  written: number,
  length: number,
): Next => syscall(then, SYS_write, fd, buffer + written, length - written);
