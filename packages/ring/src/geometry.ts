/*
 * A shared ring (xen/include/public/io/ring.h), one page:
 *
 *     req_prod u32@0 · req_event u32@4 · rsp_prod u32@8 · rsp_event u32@12 · 48 bytes · slots from @64 on
 *
 * A slot holds a request, later the response to it; there are as many as fit, rounded down to a power of two. Indices run freely
 * over 32 bits; slot number = index modulo the number of slots.
 */
export const REQ_PROD = 0;
export const REQ_EVENT = 4;
export const RSP_PROD = 8;
export const RSP_EVENT = 12;
export const FIRST_SLOT = 64;

/** How many slots of `slotBytes` a ring of `bytes` has (__RING_SIZE). */
export const ringSize = (bytes: number, slotBytes: number): number =>
  2 ** Math.floor(Math.log2((bytes - FIRST_SLOT) / slotBytes));
