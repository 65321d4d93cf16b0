/*
 * The controller interface: two rings of eight messages in shared_info's page, one each way. A response takes the place of its request.
 * Indices run free; an entry's place is its index modulo the ring's size.
 *
 * Xen 2.0: xen/include/public/io/domain_controller.h
 */
import { array, bytes, packed, u8, u32 } from '@port-xen/layout';

/** Where `control_if` is in shared_info's page, bytes. */
export const CONTROL_IF_OFFSET = 2048;
/** Messages in each ring. */
export const CONTROL_RING_SIZE = 8;

export const CMSG_CONSOLE = 0;
export const CMSG_BLKIF_BE = 1;
export const CMSG_BLKIF_FE = 2;
export const CMSG_NETIF_BE = 3;
export const CMSG_NETIF_FE = 4;
export const CMSG_SHUTDOWN = 6;
export const CMSG_MEM_REQUEST = 7;

export const CMSG_CONSOLE_DATA = 0;

export const CMSG_SHUTDOWN_POWEROFF = 0;
export const CMSG_SHUTDOWN_REBOOT = 1;
export const CMSG_SHUTDOWN_SUSPEND = 2;
export const CMSG_SHUTDOWN_SYSRQ = 3;

export const CMSG_MEM_REQUEST_SET = 0;

/** `control_msg_t`, 64 bytes. Type, subtype and id are echoed in the response; `length` counts the bytes of `msg` in use. */
export const control_msg = packed('control_msg', {
  type: u8,
  subtype: u8,
  id: u8,
  length: u8,
  msg: bytes(60),
});

/** `control_if_t`, 1040 bytes: `tx` is guest to controller, `rx` controller to guest. */
export const control_if = packed('control_if', {
  tx_ring: array(control_msg, CONTROL_RING_SIZE),
  rx_ring: array(control_msg, CONTROL_RING_SIZE),
  tx_req_prod: u32,
  tx_resp_prod: u32,
  rx_req_prod: u32,
  rx_resp_prod: u32,
});

/** `shutdown_sysrq_t`, 4 bytes: the payload of CMSG_SHUTDOWN_SYSRQ. */
export const shutdown_sysrq = packed('shutdown_sysrq', {
  key: u8,
  pad: bytes(3),
});

/** `mem_request_t`, 8 bytes: the target in pages, and the guest's answer. */
export const mem_request = packed('mem_request', {
  target: u32,
  status: u32,
});
