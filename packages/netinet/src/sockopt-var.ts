/*
 * The options of setsockopt(2) and getsockopt(2), by NetBSD's numbers (sys/socket.h, netinet/tcp.h). TCP_USER_TIMEOUT has Linux's, for
 * NetBSD has none.
 */
export const SOL_SOCKET = 0xffff;
export const SO_LINGER = 0x0080;
export const SO_SNDBUF = 0x1001;
export const SO_RCVBUF = 0x1002;
export const SO_ERROR = 0x1007;
export const SO_TYPE = 0x1008;
export const SO_SNDTIMEO = 0x100b;
export const SO_RCVTIMEO = 0x100c;
export const TCP_NODELAY = 1;
export const TCP_MAXSEG = 2;
export const TCP_KEEPIDLE = 3;
export const TCP_KEEPINTVL = 5;
export const TCP_KEEPCNT = 6;
export const TCP_KEEPINIT = 7;
export const TCP_USER_TIMEOUT = 18;

/** struct timeval: i64 seconds, i32 microseconds, padding. */
export const TIMEVAL_LEN = 16;
