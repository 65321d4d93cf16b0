import type { Source } from './cursor.ts';

/** A save file that can be read at any place: a regular file, bytes in memory. */
export interface ImageFile {
  /** Bytes. */
  readonly size: number;
  /**
   * Reads bytes at an offset, fewer than `into` holds if need be.
   *
   * @returns how many; 0 only at the end
   */
  readAt(offset: number, into: Uint8Array): number;
}

/** An image file as a source that starts at its beginning. What is passed over is not read. */
export const sourceOfFile = (file: ImageFile): Source => {
  let at = 0;
  return {
    read: (into) => {
      const got = file.readAt(at, into);
      at += got;
      return got;
    },
    skip: (length) => {
      const passed = Math.max(0, Math.min(length, file.size - at));
      at += passed;
      return passed;
    },
  };
};

/** Fills `into` from an offset. @throws RangeError when the file ends before */
export const readFileAt = (file: ImageFile, offset: number, into: Uint8Array): void => {
  for (let done = 0; done < into.length; ) {
    const got = file.readAt(offset + done, into.subarray(done));
    if (got === 0) {
      throw new RangeError(
        `expected ${into.length} bytes at offset ${offset}, found the end of the file after ${done}`,
      );
    }
    done += got;
  }
};
