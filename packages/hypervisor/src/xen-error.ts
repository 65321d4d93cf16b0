/**
 * Xen refuses what a tool or a back end in dom0 asks for.
 */
export class XenError extends Error {
  /** Positive: XEN_E*; for a grant operation the GNTST_* status, negative. */
  readonly errno: number;

  constructor(errno: number, sentence: string) {
    super(sentence);
    this.name = 'XenError';
    this.errno = errno;
  }
}
