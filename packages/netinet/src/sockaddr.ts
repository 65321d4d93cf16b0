/*
 * struct sockaddr_in as programs pass it (netinet/in.h):
 *
 *     0         1            2          4          8        16
 *     | sin_len | sin_family | sin_port | sin_addr | 0 …    |       port and address in network order
 */
import { type Cpu, copyin, copyout, EFAULT, EINVAL } from '@port-xen/kern';
import { EAFNOSUPPORT } from './errno.ts';
import { get16, get32, put16, put32 } from './in-addr.ts';
import { AF_INET } from './socket-var.ts';

export const SOCKADDR_IN_LEN = 16;
/** A socklen_t is 32 bits. */
const SOCKLEN_LEN = 4;

export interface SockaddrIn {
  readonly addr: number;
  readonly port: number;
}

/** The bytes of an address. @param addr host order */
export const sockaddrIn = ({ addr, port }: SockaddrIn): Uint8Array => {
  const bytes = new Uint8Array(SOCKADDR_IN_LEN);
  bytes[0] = SOCKADDR_IN_LEN;
  bytes[1] = AF_INET;
  put16(bytes, 2, port);
  put32(bytes, 4, addr);
  return bytes;
};

/** Reads an address of the running program. @returns a negative errno when it is none */
export const getSockaddr = (cpu: Cpu, uaddr: number, length: number): SockaddrIn | number => {
  if (length < SOCKADDR_IN_LEN) return -EINVAL;
  const bytes = copyin(cpu, uaddr, SOCKADDR_IN_LEN);
  if (bytes === undefined) return -EFAULT;
  if (bytes[1] !== AF_INET) return -EAFNOSUPPORT;
  return { addr: get32(bytes, 4), port: get16(bytes, 2) };
};

/**
 * Gives the running program an address, as much of it as it has room for, and its length. @param uaddr 0: it does not want it
 * @returns 0 or a negative errno
 */
export const putSockaddr = (cpu: Cpu, uaddr: number, ulength: number, from: SockaddrIn): number => {
  if (uaddr === 0) return 0;
  const room = copyin(cpu, ulength, SOCKLEN_LEN);
  if (room === undefined) return -EFAULT;
  const bytes = sockaddrIn(from);
  const given = new DataView(room.buffer).getUint32(0, true);
  if (!copyout(cpu, uaddr, bytes.subarray(0, given))) return -EFAULT;
  const length = Uint8Array.of(SOCKADDR_IN_LEN, 0, 0, 0);
  return copyout(cpu, ulength, length) ? 0 : -EFAULT;
};
