/*
 * CONSOLEIO operations.
 *
 * xen/include/public/xen.h
 */
export const CONSOLEIO_write = 0;
export const CONSOLEIO_read = 1;
