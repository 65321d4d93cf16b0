/*
 * Domain numbers with a meaning of their own.
 *
 * xen/include/public/xen.h
 */
export const DOMID_SELF = 0x7ff0;
export const DOMID_IO = 0x7ff1;
export const DOMID_XEN = 0x7ff2;
export const DOMID_COW = 0x7ff3;
export const DOMID_INVALID = 0x7ff4;
export const DOMID_IDLE = 0x7fff;
export const DOMID_MASK = 0x7fff;
export const DOMID_FIRST_RESERVED = 0x7ff0;
