import type { BlockStore } from '@port-xen/xbdback';

const SECTOR_BYTES = 512;

/** A disk whose medium is a byte array: it stays when the back end closes it, and can go to another host. */
export interface MemoryDisk {
  /** The medium, as it would be found after a crash of the host: what was written, flushed or not. */
  readonly bytes: Uint8Array;
  /** The medium as of the last flush: what must be there after a crash. */
  flushed(): Uint8Array;
  /** How many back ends have it open. */
  readonly opened: number;
  /** What a back end opens. */
  open(mode: 'r' | 'w'): BlockStore;
}

/**
 * A disk in memory.
 *
 * @param contents its bytes (used as they are, not copied), or their number, which become zeroes; whole sectors
 * @throws RangeError when it ends within a sector
 */
export const memoryDisk = (contents: Uint8Array | number): MemoryDisk => {
  const bytes = typeof contents === 'number' ? new Uint8Array(contents) : contents;
  if (bytes.length % SECTOR_BYTES !== 0) {
    throw new RangeError(
      `expected a disk of whole sectors of 512 bytes, found ${bytes.length} bytes`,
    );
  }
  const durable = bytes.slice();
  /** Written since the last flush, by offset. */
  const unflushed = new Map<number, number>();
  let opened = 0;
  const within = (sector: number, length: number): number => {
    const at = sector * SECTOR_BYTES;
    if (at + length <= bytes.length) return at;
    throw new RangeError(
      `expected bytes within [0, ${bytes.length}), found ${length} from ${at} on`,
    );
  };
  return {
    bytes,
    flushed: () => durable.slice(),
    get opened() {
      return opened;
    },
    open(mode) {
      opened++;
      return {
        sectors: bytes.length / SECTOR_BYTES,
        read(sector, into) {
          const at = within(sector, into.length);
          into.set(bytes.subarray(at, at + into.length));
        },
        write(sector, from) {
          if (mode === 'r')
            throw new Error('expected reads of a disk opened for reading, found a write');
          const at = within(sector, from.length);
          bytes.set(from, at);
          unflushed.set(at, Math.max(from.length, unflushed.get(at) ?? 0));
        },
        flush() {
          for (const [at, length] of unflushed) durable.set(bytes.subarray(at, at + length), at);
          unflushed.clear();
        },
        close() {
          opened--;
        },
      };
    },
  };
};
