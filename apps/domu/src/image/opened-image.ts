import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { ImageFile } from '@port-xen/migration-stream';
import { reasonOf, UserError } from '../user-error.ts';

/** A save file on disk, read at any place. */
export class OpenedImage implements ImageFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly #fd: number;

  /** @throws UserError when it cannot be opened or is no regular file */
  constructor(path: string) {
    this.path = path;
    try {
      this.#fd = openSync(path, 'r');
    } catch (error) {
      throw new UserError(`Can't open ${path}: ${reasonOf(error)}`);
    }
    const stat = fstatSync(this.#fd);
    this.size = stat.size;
    if (stat.isFile()) return;
    this.close();
    throw new UserError(`${path}: expected a regular file, which can be read at any place`);
  }

  readAt(offset: number, into: Uint8Array): number {
    return readSync(this.#fd, into, 0, into.length, offset);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
