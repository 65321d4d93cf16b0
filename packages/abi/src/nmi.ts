/*
 * Non-maskable interrupts.
 *
 * xen/include/public/nmi.h
 */
import { struct, u64 } from '@port-xen/layout';

export const XENNMI_register_callback = 0;
export const XENNMI_unregister_callback = 1;

export const XEN_NMIREASON_io_error = 1;
export const XEN_NMIREASON_pci_serr = 2;
export const XEN_NMIREASON_unknown = 4;

/** `struct xennmi_callback`, 16 bytes. */
export const xennmi_callback = struct('xennmi_callback', {
  handler_address: u64,
  pad: u64,
});
