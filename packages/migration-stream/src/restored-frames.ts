import { FrameError } from './frame-error.ts';
import { tableLevel } from './page-type.ts';

/** What a restored domain has: its pages' types, as the stream gave them last, and their new frames. */
export interface RestoredFrames {
  /** The domain's last pfn. */
  readonly maxPfn: number;
  /** The type nibble of a page, 0 … 15; 0 for one that never came. */
  typeOf(pfn: number): number;
  /** The frame of a page; -1 for one that has none. */
  pfnToMfn(pfn: number): number;
}

/**
 * The frame of the page that a field of a restored domain names.
 *
 * @param what the field, as libxc calls it: `cr3`, `GDT frame 0`
 * @param pfn any number of 64 bits
 * @param level what the page must be: a page table of that level, 0 ordinary; any kind when left out
 * @throws FrameError
 */
export const frameFor = (
  frames: RestoredFrames,
  what: string,
  pfn: number,
  level?: number,
): number => {
  const hex = `0x${pfn.toString(16)}`;
  if (!(pfn <= frames.maxPfn)) {
    throw new FrameError(
      `${what} (pfn ${hex}) out of range`,
      `at most 0x${frames.maxPfn.toString(16)}`,
      hex,
    );
  }
  if (level !== undefined) {
    const type = frames.typeOf(pfn);
    if (level === 0 ? type !== 0 : tableLevel(type) !== level) {
      throw new FrameError(`${what} (pfn ${hex}) has bad type ${type}`, `type ${level}`, `${type}`);
    }
  }
  const mfn = frames.pfnToMfn(pfn);
  if (mfn < 0) throw new FrameError(`${what} has bad mfn`, `a frame for pfn ${hex}`, 'none');
  return mfn;
};
