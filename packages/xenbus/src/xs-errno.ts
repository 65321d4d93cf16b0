import { textOf } from '@port-xen/layout';

/** NetBSD's numbers for the names that xenstored answers with. */
const ERRNO: Readonly<Record<string, number>> = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  E2BIG: 7,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EISDIR: 21,
  EINVAL: 22,
  ENOSPC: 28,
  EROFS: 30,
  EAGAIN: 35,
  EISCONN: 56,
  ENOTEMPTY: 66,
  ENOSYS: 78,
};

export const XS_EIO = 5;
export const XS_EINVAL = 22;
export const XS_EAGAIN = 35;

/** xs_get_error: the errno of an ERROR reply; EIO for a name that nobody knows. */
export const errnoOf = (reply: Uint8Array): number => {
  const name = textOf(reply);
  return Object.hasOwn(ERRNO, name) ? (ERRNO[name] as number) : XS_EIO;
};
