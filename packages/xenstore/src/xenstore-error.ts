/*
 * The wire names an error by its C spelling, not by its number; these are the names that io/xs_wire.h lists.
 */

/** An error as a reply of type XS_ERROR spells it. */
export type ErrorName =
  | 'EINVAL'
  | 'EACCES'
  | 'EEXIST'
  | 'EISDIR'
  | 'ENOENT'
  | 'ENOMEM'
  | 'ENOSPC'
  | 'EIO'
  | 'ENOTEMPTY'
  | 'ENOSYS'
  | 'EROFS'
  | 'EBUSY'
  | 'EAGAIN'
  | 'EISCONN'
  | 'E2BIG'
  | 'EPERM';

/** What a client throws when the daemon answers with an error. */
export class XenstoreError extends Error {
  /** The daemon's answer: 'ENOENT', 'EACCES', … */
  readonly code: string;

  /**
   * @param code the daemon's answer
   * @param request what was asked, for the sentence: 'read of /local/domain/3/name'
   */
  constructor(code: string, request: string) {
    super(`xenstore answered ${code} to a ${request}`);
    this.name = 'XenstoreError';
    this.code = code;
  }
}
