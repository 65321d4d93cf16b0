/*
 * The xenstore protocol and its page.
 *
 * xen/include/public/io/xs_wire.h
 */
import { bytes, struct, u32 } from '@port-xen/layout';

export const XS_CONTROL = 0;
export const XS_DIRECTORY = 1;
export const XS_READ = 2;
export const XS_WATCH = 4;
export const XS_UNWATCH = 5;
export const XS_INTRODUCE = 8;
export const XS_RELEASE = 9;
export const XS_WRITE = 11;
export const XS_MKDIR = 12;
export const XS_RM = 13;
export const XS_ERROR = 16;
export const XS_RESUME = 18;
export const XS_INVALID = 0xffff;
export const XS_DIRECTORY_PART = 22;
export const XS_GET_PERMS = 3;
export const XS_GET_DOMAIN_PATH = 10;
export const XS_IS_DOMAIN_INTRODUCED = 17;
export const XS_RESET_WATCHES = 21;
export const XS_SET_PERMS = 14;
export const XS_SET_TARGET = 19;
export const XS_TRANSACTION_START = 6;
export const XS_TRANSACTION_END = 7;
export const XS_TYPE_COUNT = 23;
export const XS_WATCH_PATH = 0;
export const XS_WATCH_TOKEN = 1;
export const XS_WATCH_EVENT = 15;

export const XENSTORE_CONNECTED = 0;
export const XENSTORE_RECONNECT = 1;
export const XENSTORE_ABS_PATH_MAX = 0xc00;
export const XENSTORE_ERROR_NONE = 0;
export const XENSTORE_ERROR_COMM = 1;
export const XENSTORE_ERROR_RINGIDX = 2;
export const XENSTORE_ERROR_PROTO = 3;
export const XENSTORE_PAYLOAD_MAX = 0x1000;
export const XENSTORE_REL_PATH_MAX = 0x800;
export const XENSTORE_RING_SIZE = 0x400;
export const XENSTORE_SERVER_FEATURE_RECONNECTION = 1;
export const XENSTORE_SERVER_FEATURE_ERROR = 2;

/** `struct xsd_sockmsg`, 16 bytes. */
export const xsd_sockmsg = struct('xsd_sockmsg', {
  type: u32,
  req_id: u32,
  tx_id: u32,
  len: u32,
});

/** `struct xenstore_domain_interface`, 2076 bytes. */
export const xenstore_domain_interface = struct('xenstore_domain_interface', {
  req: bytes(1024),
  rsp: bytes(1024),
  req_cons: u32,
  req_prod: u32,
  rsp_cons: u32,
  rsp_prod: u32,
  server_features: u32,
  connection: u32,
  error: u32,
});
