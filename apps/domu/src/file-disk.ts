import { closeSync, fstatSync, fsyncSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import type { DiskConfig } from '@port-xen/toolstack';
import type { BlockStore } from '@port-xen/xbdback';
import { reasonOf, UserError } from './user-error.ts';

const SECTOR = 512;

/** A disk as it is named in a folder, for whoever is in another. A drive without a medium names none. */
export const diskFrom = (folder: string, disk: DiskConfig): DiskConfig =>
  disk.pdevPath === '' ? disk : { ...disk, pdevPath: resolve(folder, disk.pdevPath) };

/** A raw disk image in a file. */
export class FileDisk implements BlockStore {
  readonly sectors: number;
  readonly #fd: number;
  readonly #path: string;

  /**
   * @param mode 'r' opens the file read-only
   * @throws UserError when the file cannot be opened or is no regular file of whole sectors
   */
  constructor(path: string, mode: 'r' | 'w') {
    this.#path = path;
    // Before it is opened: to open a pipe is to wait for who writes into it.
    if (statSync(path, { throwIfNoEntry: false })?.isFile() === false) {
      throw new UserError(`disk ${path}: expected a regular file`);
    }
    try {
      this.#fd = openSync(path, mode === 'r' ? 'r' : 'r+');
    } catch (error) {
      throw new UserError(`disk ${path} cannot be opened: ${reasonOf(error)}`);
    }
    const { size } = fstatSync(this.#fd);
    if (size === 0 || size % SECTOR !== 0) {
      closeSync(this.#fd);
      throw new UserError(
        `disk ${path}: expected one or more whole sectors of ${SECTOR} bytes, found ${size} bytes`,
      );
    }
    this.sectors = size / SECTOR;
  }

  /**
   * Opens a domain's disk and closes it again. An image of another format is no raw disk: the guest would take its header for data,
   * and write over it.
   * @throws UserError when it cannot be had
   */
  static check({ pdevPath, format, readwrite }: DiskConfig): void {
    if (pdevPath === '') return;
    if (format !== 'raw') {
      throw new UserError(`disk ${pdevPath}: expected format raw, found ${format}`);
    }
    new FileDisk(pdevPath, readwrite ? 'w' : 'r').close();
  }

  /**
   * Checks a domain's disks. One image may be several disks only if nobody writes to it, as Xen's block script has it.
   * @throws UserError when one cannot be had
   */
  static checkAll(disks: readonly DiskConfig[]): void {
    const seen = new Map<string, DiskConfig>();
    for (const disk of disks) {
      FileDisk.check(disk);
      if (disk.pdevPath === '') continue;
      const { dev, ino } = statSync(disk.pdevPath);
      const other = seen.get(`${dev} ${ino}`);
      if (other !== undefined && (other.readwrite || disk.readwrite)) {
        throw new UserError(
          `disk ${disk.pdevPath}: expected a file of its own for ${disk.vdev}, found ${other.vdev}'s, and one of them may write to it`,
        );
      }
      seen.set(`${dev} ${ino}`, disk);
    }
  }

  read(sector: number, into: Uint8Array): void {
    for (let at = 0; at < into.length; ) {
      const got = readSync(this.#fd, into, at, into.length - at, sector * SECTOR + at);
      if (got === 0) throw new Error(`${this.#path} ends before sector ${sector}`);
      at += got;
    }
  }

  write(sector: number, from: Uint8Array): void {
    for (let at = 0; at < from.length; ) {
      at += writeSync(this.#fd, from, at, from.length - at, sector * SECTOR + at);
    }
  }

  flush(): void {
    fsyncSync(this.#fd);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
