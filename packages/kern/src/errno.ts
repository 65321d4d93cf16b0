/** NetBSD's error numbers (sys/errno.h) that this kernel gives to its programs. */
export const EPERM = 1;
export const ENOENT = 2;
export const EIO = 5;
export const ENXIO = 6;
export const EBADF = 9;
export const ENOMEM = 12;
export const EFAULT = 14;
export const EBUSY = 16;
export const ENODEV = 19;
export const EINVAL = 22;
export const EMFILE = 24;
export const ENOSPC = 28;
export const EROFS = 30;
export const EOPNOTSUPP = 45;
export const ENOSYS = 78;
