import type { Request } from './request.ts';
import type { Extent, Refusal, Work } from './work.ts';

/**
 * A ring that a front end and a back end share, with the way to the guest's pages that its requests name: by grants, as xenbus has
 * it, or by machine addresses, as Xen 2's controller interface has it.
 */
export interface BlockRing {
  /** What is wrong with the front end's indices, as a sentence; undefined if nothing is. */
  readonly overflow: string | undefined;
  /** @returns the next request, copied out of its slot; undefined when there is none, or when no slot is free */
  take(): Request | undefined;
  /** There was no request to be taken: asks for an event. @returns whether one is there after all */
  finalCheck(): boolean;
  /** Checks all that the request says. */
  check(request: Request, disk: Extent): Work | Refusal;
  /** Moves data between the pages of `work` and `buffer`, which holds them one after the other. @returns why it failed */
  copy(work: Work, buffer: Uint8Array, toGuest: boolean): string | undefined;
  /** Puts a response. @returns whether the front end is to be notified */
  answer(request: Request, status: number): boolean;
  /** Lets go of the page. */
  release(): void;
}
