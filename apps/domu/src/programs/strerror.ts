import {
  ECONNREFUSED,
  ECONNRESET,
  EHOSTDOWN,
  EHOSTUNREACH,
  ENETDOWN,
  ENOBUFS,
  ENOTCONN,
  EPIPE,
  ETIMEDOUT,
} from '@port-xen/netinet';

/** What strerror(3) says of the errors that a network brings. */
const TEXTS: Readonly<Record<number, string>> = {
  [EPIPE]: 'Broken pipe',
  [ENETDOWN]: 'Network is down',
  [ECONNRESET]: 'Connection reset by peer',
  [ENOBUFS]: 'No buffer space available',
  [ENOTCONN]: 'Socket is not connected',
  [ETIMEDOUT]: 'Connection timed out',
  [ECONNREFUSED]: 'Connection refused',
  [EHOSTDOWN]: 'Host is down',
  [EHOSTUNREACH]: 'No route to host',
};

/** The name of an errno. */
export const strerror = (errno: number): string => TEXTS[errno] ?? `error ${errno}`;
