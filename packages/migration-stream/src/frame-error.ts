/**
 * A frame number in a vCPU context or in start_info that is not one of the domain's pages, or not of the kind
 * that is needed there. Saving or restoring the domain cannot go on.
 */
export class FrameError extends Error {
  override readonly name = 'FrameError';
  /** The complaint, in libxc's words. */
  readonly words: string;
  readonly expected: string;
  readonly found: string;

  constructor(words: string, expected: string, found: string) {
    super(`${words}: expected ${expected}, found ${found}`);
    this.words = words;
    this.expected = expected;
    this.found = found;
  }
}
