import {
  closeSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writevSync,
} from 'node:fs';
import type { Sink, Source } from '@port-xen/migration-stream';
import { reasonOf, UserError } from './user-error.ts';

/** The most buffers that writev takes at once. */
const IOV_MAX = 1024;

/** Whether a path names something that is no regular file: a folder, a device, a pipe. Such a one is written into and never replaced. */
const isSpecial = (path: string): boolean => {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && !found.isFile();
};

/**
 * A save file in the making. It has its name only when it is whole: until then the bytes are in FILE.partial beside it. A
 * device or a pipe takes them as they come.
 */
export class FileSink implements Sink {
  readonly #path: string;
  readonly #partial: string;
  readonly #fd: number;
  #open = true;

  /** @throws UserError when no file can be made there */
  constructor(path: string) {
    this.#path = path;
    this.#partial = isSpecial(path) ? path : `${path}.partial`;
    try {
      this.#fd = openSync(this.#partial, 'w', 0o600);
    } catch (error) {
      throw new UserError(
        `Failed to open temp file ${this.#partial} for writing: ${reasonOf(error)}`,
      );
    }
  }

  /** @throws UserError when the bytes find no room */
  write(chunks: readonly Uint8Array[]): void {
    try {
      for (let from = 0; from < chunks.length; from += IOV_MAX) {
        let rest = chunks.slice(from, from + IOV_MAX);
        while (rest.length > 0) rest = after(rest, writevSync(this.#fd, rest));
      }
    } catch (error) {
      throw new UserError(`${this.#path}: ${reasonOf(error)}`);
    }
  }

  /** The file is whole. */
  commit(): void {
    this.#close();
    if (this.#partial !== this.#path) renameSync(this.#partial, this.#path);
  }

  /** Nothing is left of it. */
  discard(): void {
    if (!this.#open) return;
    this.#close();
    if (this.#partial !== this.#path) unlinkSync(this.#partial);
  }

  #close(): void {
    this.#open = false;
    closeSync(this.#fd);
  }
}

/** What is left of `chunks` after `written` bytes. */
const after = (chunks: readonly Uint8Array[], written: number): Uint8Array[] => {
  let left = written;
  for (let i = 0; i < chunks.length; i++) {
    const chunk = chunks[i] as Uint8Array;
    if (left < chunk.length) return [chunk.subarray(left), ...chunks.slice(i + 1)];
    left -= chunk.length;
  }
  return [];
};

/** A save file, read from its start. A restore reads it twice, so it cannot be a pipe. */
export class FileSource implements Source {
  readonly #fd: number;

  /** @throws UserError when the file cannot be read or is no regular file */
  constructor(path: string) {
    // Before it is opened: to open a pipe is to wait for who writes into it.
    if (isSpecial(path)) {
      throw new UserError(`${path}: expected a regular file, which can be read more than once`);
    }
    try {
      this.#fd = openSync(path, 'r');
    } catch (error) {
      throw new UserError(`Can't open ${path}: ${reasonOf(error)}`);
    }
  }

  read(into: Uint8Array): number {
    return readSync(this.#fd, into, 0, into.length, null);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
