/*
 * The guest's own P2M gets the MFNs of the new host, page by page. What it still says of the old host is of use once more:
 * a pfn that had a frame there and has no page in the image is lost. (Genuine save code leaves out a page table that it
 * cannot canonicalise, and reports success.)
 */
import { ldI64, st64 } from '@port-xen/layout';
import { StreamError } from '@port-xen/migration-stream';
import type { GuestFrames } from './guest-frames.ts';
import { hex } from './hex.ts';
import type { ImageIntake } from './image-intake.ts';

const PER_PAGE = 512;
const NONE = -1;
/** A word beyond it is no MFN: Linux marks frames of others there, all ones is none. */
const MFN_END = 2 ** 31;

/** The frames of the P2M's own pages. @throws StreamError when one is no ordinary page of the image */
const leafFrames = ({ made, leafPfns, p2mPlace }: ImageIntake): Int32Array =>
  leafPfns.map((pfn, page) => {
    const refuse = (words: string, expected: string, found: string): never => {
      throw new StreamError({ words, expected, found, ...p2mPlace });
    };
    const type = made.memory.typeOf(pfn);
    const which = `pfn (${hex(pfn)}) for p2m_frame_list[${page}]`;
    if (type !== 0) refuse(`${which} has bad type ${type}`, 'type 0', `${type}`);
    const mfn = made.memory.pfnToMfn(pfn);
    if (mfn >= 0) return mfn;
    return refuse(`p2m_frame_list[${page}] has bad mfn`, `pfn ${hex(pfn)} with a page`, 'none');
  });

/**
 * Writes the P2M.
 *
 * @param warn is told of pfns that are lost
 * @throws StreamError when its pages are none that can be written
 */
export const writeP2m = (
  intake: ImageIntake,
  frames: GuestFrames,
  warn: (sentence: string) => void,
): void => {
  const { mfnOf } = intake.made.memory;
  const leaves = leafFrames(intake);
  for (const [page, leaf] of leaves.entries()) {
    const first = page * PER_PAGE;
    frames.with(leaf, (_, words) => {
      for (let i = 0; i < PER_PAGE; i++) {
        if (mfnOf[first + i] !== NONE) continue;
        const old = ldI64(words, i * 8);
        if (old <= 0 || old >= MFN_END) continue;
        warn(
          `pfn ${hex(first + i)} had a frame on the old host (mfn ${hex(old)}), and the image has no page for it: its contents are lost`,
        );
      }
    });
  }
  for (const [page, leaf] of leaves.entries()) {
    const first = page * PER_PAGE;
    frames.with(leaf, (_, words) => {
      for (let i = 0; i < PER_PAGE; i++) st64(words, i * 8, mfnOf[first + i] ?? NONE);
    });
  }
};
