const PRESENT = 1;
/** Bits 51:32 of an entry are the upper part of its frame. */
const FRAME_HIGH = 0xfffff;

/** Visits the frames that a page names, each of its words taken for an entry of a page table. @param page 4096 bytes */
export const eachEntryFrame = (page: Uint8Array, visit: (mfn: number) => void): void => {
  const words = new Int32Array(page.buffer, page.byteOffset, page.length / 4);
  for (let i = 0; i < words.length; i += 2) {
    const [low, high] = [words[i] as number, words[i + 1] as number];
    if ((low & PRESENT) !== 0) visit((high & FRAME_HIGH) * 0x100000 + (low >>> 12));
  }
};
