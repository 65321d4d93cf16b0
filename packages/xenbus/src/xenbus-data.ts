/*
 * Everything that the xenstore client keeps: the connection, the request under way, what has been read of the next message,
 * the watches and which of them have fired, the devices.
 */
import { array, bytes, i32, i64, struct, u32 } from '@port-xen/layout';
import { XS_STRING_MAX } from './guest-string.ts';

export const NWATCH = 24;
export const NXENBUSDEV = 16;
export const NREQUEST = 8;
/** Bytes of a message's payload at most (XENSTORE_PAYLOAD_MAX). */
export const PAYLOAD_MAX = 4096;
const HEADER = 16;

export const watch = struct('xenbus_watch', {
  w_used: u32,
  /** It has fired and waits for xenwatch. */
  w_fired: u32,
  w_arg: i64,
  /** Text(arg, address of the path that changed). */
  w_func: i64,
  w_node: bytes(XS_STRING_MAX),
  /** What changed last. */
  w_path: bytes(XS_STRING_MAX),
});

export const xenbus_device = struct('xenbus_device', {
  xbusd_used: u32,
  /** Which driver: index into the table. */
  xbusd_driver: u32,
  xbusd_id: u32,
  xbusd_otherend_id: i32,
  xbusd_softc: i64,
  xbusd_watch: i64,
  xbusd_path: bytes(XS_STRING_MAX),
  xbusd_otherend: bytes(XS_STRING_MAX),
});

export const xenbus_data = struct('xenbus_data', {
  xb_page: i64,
  /** The autoconf device of the bus. */
  xb_device: i64,
  xb_port: u32,
  /** The lwp whose request is under way; 0: none. */
  xs_lock: i64,
  xs_reqid: u32,
  xs_replied: u32,
  xs_replytype: u32,
  xs_replylen: u32,
  xs_reply: bytes(PAYLOAD_MAX),
  /** Bytes of the next message read so far. */
  in_have: u32,
  in_message: bytes(HEADER + PAYLOAD_MAX),
  /** The watches that have fired, in their order: indices into the table. */
  ev_count: u32,
  ev_fired: array(u32, NWATCH),
  /** The path that xenwatch is at. */
  ev_current: bytes(XS_STRING_MAX),
  /** A suspend is asked for or under way: xenwatch takes no event. */
  xw_held: u32,
  watches: array(watch, NWATCH),
  devices: array(xenbus_device, NXENBUSDEV),
  /** What control/shutdown asked for, oldest first. */
  requests: array(u32, NREQUEST),
  nrequests: u32,
});
