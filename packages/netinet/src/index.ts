export * from './errno.ts';
export {
  ETHERMTU,
  IFCAP_CSUM_TX,
  IFF_OACTIVE,
  IFF_RUNNING,
  type IfAttach,
  Ifnets,
  type IfnetView,
  ifnet,
} from './ifnet.ts';
export { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, inetNtoa } from './in-addr.ts';
export { Inet } from './inet.ts';
export {
  M_CSUM_BLANK,
  M_CSUM_VALIDATED,
  type Mbuf,
  Mbufs,
  MCLBYTES,
  NMBCLUSTERS,
} from './mbuf.ts';
export type { NetClock } from './net-clock.ts';
export {
  linkNetinet,
  type Netinet,
  type NetKern,
  netinetInit,
  netinetLinked,
  netinetModules,
} from './netinet.ts';
export { SOCKADDR_IN_LEN, sockaddrIn } from './sockaddr.ts';
export {
  SYS_accept,
  SYS_bind,
  SYS_connect,
  SYS_getpeername,
  SYS_getsockname,
  SYS_getsockopt,
  SYS_listen,
  SYS_recvfrom,
  SYS_sendto,
  SYS_setsockopt,
  SYS_shutdown,
  SYS_socket,
} from './socket-calls.ts';
export { SHUT_WR } from './socket-calls-text.ts';
export { MSG_DONTWAIT, MSG_NOSIGNAL } from './socket-io-text.ts';
export {
  AF_INET,
  NSOCKET,
  SB_MAX,
  SO_BROADCAST,
  SO_KEEPALIVE,
  SO_REUSEADDR,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
} from './socket-var.ts';
export {
  SO_ERROR,
  SO_LINGER,
  SO_RCVBUF,
  SO_RCVTIMEO,
  SO_SNDBUF,
  SO_SNDTIMEO,
  SO_TYPE,
  SOL_SOCKET,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINIT,
  TCP_KEEPINTVL,
  TCP_MAXSEG,
  TCP_NODELAY,
  TCP_USER_TIMEOUT,
} from './sockopt-var.ts';
