/*
 * Sockets in memory (sys/socketvar.h).
 *
 *     file descriptor ─► so_cdev (what read(2), write(2) and close(2) go through) = the socket's own address
 *     so_rcv, so_snd     sb_data ─► a ring of SB_MAX bytes:   | … | sb_head … sb_cc bytes … | … |
 *
 * A listening socket's connections that nobody has accepted yet hang on so_q, oldest first. A stream's ring holds bytes; a
 * datagram socket's receive ring holds records, each with who sent it:
 *
 *     | length u32 | address u32 | port u32 | bytes … |
 */
import { cdev } from '@port-xen/kern';
import { bytes, i64, nest, struct, u32, type View } from '@port-xen/layout';

export const NSOCKET = 20;
/** Bytes of a socket buffer's ring, and the most that SO_SNDBUF and SO_RCVBUF can ask for. */
export const SB_MAX = 65536;

export const AF_INET = 2;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;

/** No descriptor refers to the socket. */
export const SS_NOFDREF = 0x001;
export const SS_ISCONNECTED = 0x002;
export const SS_ISCONNECTING = 0x004;
export const SS_CANTSENDMORE = 0x010;
export const SS_CANTRCVMORE = 0x020;
export const SS_ISLISTENING = 0x040;
/** On a listening socket's queue. */
export const SS_INQUEUE = 0x080;

export const SO_REUSEADDR = 0x0004;
export const SO_KEEPALIVE = 0x0008;
export const SO_BROADCAST = 0x0020;

export const sockbuf = struct('sockbuf', {
  sb_data: i64,
  sb_head: u32,
  /** Bytes in the ring. */
  sb_cc: u32,
  /** Bytes that it may hold. */
  sb_hiwat: u32,
  /** Ticks that a caller waits at most; 0: for ever. */
  sb_timeo: u32,
});

export type Sockbuf = View<typeof sockbuf>;

export const socket = struct('socket', {
  /** Must be first. */
  so_cdev: nest(cdev),
  /** SOCK_*; 0: free. */
  so_type: u32,
  so_proto: u32,
  /** SO_* that are bits. */
  so_options: u32,
  so_state: u32,
  /** What the next call reports. */
  so_error: u32,
  /** 1: close(2) aborts (SO_LINGER with no time). */
  so_abort: u32,
  /** The connection; 0 when there is none, or for other than streams. */
  so_pcb: i64,
  so_head: i64,
  so_next: i64,
  so_q: i64,
  so_qlen: u32,
  so_qlimit: u32,
  /** Datagram and raw sockets keep their addresses here; a stream until it has a connection. */
  so_laddr: u32,
  so_lport: u32,
  so_faddr: u32,
  so_fport: u32,
  so_rcv: nest(sockbuf),
  so_snd: nest(sockbuf),
});

export type Socket = View<typeof socket>;

export const socket_bufs = struct('socket_bufs', { rings: bytes(NSOCKET * 2 * SB_MAX) });
