const PAGE = 4096;

/** The part of a host's memory that gives its frames' bytes. */
export interface FrameBytes {
  frameBytes(mfn: number): Uint8Array;
}

/**
 * The bytes of `count` frames one after the other, in place: what a gathering write or a scattering read takes.
 *
 * Nothing holds the frames; whoever asks knows that they are a domain's that does not run.
 */
export const frameRun = (memory: FrameBytes, mfn: number, count: number): Uint8Array => {
  const first = memory.frameBytes(mfn);
  return count === 1 ? first : new Uint8Array(first.buffer, first.byteOffset, count * PAGE);
};
