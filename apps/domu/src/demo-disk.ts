import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, statSync, writeFileSync } from 'node:fs';
import { Random } from '@port-xen/sim';
import { reasonOf, UserError } from './user-error.ts';

const CHUNK = 1 << 20;

/** Makes a disk of bytes that cannot be guessed. @param size bytes @param name another name, other bytes */
export const makeDisk = (path: string, size: number, name = 'demo disk'): void => {
  const random = new Random(2008, name);
  const words = new Int32Array(size / 4);
  for (let i = 0; i < words.length; i++) words[i] = random.next();
  writeFileSync(path, new Uint8Array(words.buffer));
};

/** What `sha256sum FILE` prints first. @throws UserError */
export const sha256OfFile = (path: string): string => {
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(CHUNK);
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw new UserError(`disk ${path} cannot be opened: ${reasonOf(error)}`);
  }
  for (;;) {
    const got = readSync(fd, buffer, 0, CHUNK, null);
    if (got === 0) break;
    hash.update(buffer.subarray(0, got));
  }
  closeSync(fd);
  return hash.digest('hex');
};

export const sizeOfFile = (path: string): number => statSync(path).size;
