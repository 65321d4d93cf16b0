/*
 * The console page.
 *
 * xen/include/public/io/console.h
 */
import { bytes, struct, u32 } from '@port-xen/layout';

/** `struct xencons_interface`, 3088 bytes. */
export const xencons_interface = struct('xencons_interface', {
  in: bytes(1024),
  out: bytes(2048),
  in_cons: u32,
  in_prod: u32,
  out_cons: u32,
  out_prod: u32,
});
