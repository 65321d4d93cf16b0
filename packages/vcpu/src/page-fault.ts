/** Page-fault error code bits (Intel SDM vol. 3, 4.7). */
export const PFEC_PRESENT = 1;
export const PFEC_WRITE = 2;
export const PFEC_USER = 4;
export const PFEC_FETCH = 16;

/**
 * An access through the guest's page tables that the processor could not make.
 *
 * Thrown by {@link VirtualMemory} and caught by whoever runs the guest: the engine turns it into exception 14,
 * Xen turns it into -EFAULT.
 */
export class PageFault extends Error {
  /** The address that could not be reached (CR2). */
  readonly cr2: number;
  /** Error code bits, PFEC_*. */
  readonly errorCode: number;

  constructor(cr2: number, errorCode: number) {
    super(
      `page fault at ${cr2 < 0 ? '-' : ''}0x${Math.abs(cr2).toString(16)}, error code ${errorCode}`,
    );
    this.name = 'PageFault';
    this.cr2 = cr2;
    this.errorCode = errorCode;
  }
}
