/*
 * DHCP messages (RFC 2131, 2; options of RFC 2132):
 *
 *     0    1      2     3     4     8     10     12      16      20      24      28       44     108   236
 *     | op | htype| hlen| hops| xid | secs| flags| ciaddr| yiaddr| siaddr| giaddr| chaddr | sname | file| cookie, options …
 */
import { ETHER_ADDR_LEN } from './ether.ts';
import { get32, put16, put32 } from './in-addr.ts';

export const DHCPDISCOVER = 1;
export const DHCPOFFER = 2;
export const DHCPREQUEST = 3;
export const DHCPACK = 5;
export const DHCPNAK = 6;

const OPT_PAD = 0;
const OPT_MASK = 1;
const OPT_ROUTER = 3;
const OPT_DNS = 6;
const OPT_REQUESTED = 50;
const OPT_LEASE = 51;
const OPT_TYPE = 53;
const OPT_SERVER = 54;
const OPT_PARAMETERS = 55;
const OPT_T1 = 58;
const OPT_T2 = 59;
const OPT_END = 255;

const OPTIONS_AT = 240;
const COOKIE = 0x6382_5363;
/** BOOTP's relay agents drop what is shorter (RFC 951). */
const MESSAGE_LEN = 300;
/** Ask for the answer as a broadcast: without an address a unicast one cannot be received. */
const FLAG_BROADCAST = 0x8000;

export interface DhcpRequest {
  readonly type: number;
  readonly xid: number;
  readonly chaddr: Uint8Array;
  /** The address in use, 0 without. */
  readonly ciaddr: number;
  /** Option 50 and option 54; 0: left out. */
  readonly requested: number;
  readonly server: number;
}

/** A message from a server; a number is 0 when it was not said. */
export interface DhcpReply {
  readonly type: number;
  readonly xid: number;
  readonly chaddr: Uint8Array;
  readonly yiaddr: number;
  readonly server: number;
  readonly mask: number;
  readonly router: number;
  readonly dns: number;
  /** Seconds; 0xffffffff is for ever. */
  readonly lease: number;
  readonly t1: number;
  readonly t2: number;
}

export const buildDhcp = (request: DhcpRequest): Uint8Array => {
  const p = new Uint8Array(MESSAGE_LEN);
  p.set([1, 1, ETHER_ADDR_LEN, 0]);
  put32(p, 4, request.xid);
  if (request.ciaddr === 0) put16(p, 10, FLAG_BROADCAST);
  put32(p, 12, request.ciaddr);
  p.set(request.chaddr, 28);
  put32(p, 236, COOKIE);
  let at = OPTIONS_AT;
  const option = (kind: number, ...bytes: readonly number[]): void => {
    p.set([kind, bytes.length, ...bytes], at);
    at += 2 + bytes.length;
  };
  const quad = (v: number): number[] => [v >>> 24, (v >>> 16) & 255, (v >>> 8) & 255, v & 255];
  option(OPT_TYPE, request.type);
  if (request.requested !== 0) option(OPT_REQUESTED, ...quad(request.requested));
  if (request.server !== 0) option(OPT_SERVER, ...quad(request.server));
  option(OPT_PARAMETERS, OPT_MASK, OPT_ROUTER, OPT_DNS, OPT_LEASE, OPT_T1, OPT_T2);
  p[at] = OPT_END;
  return p;
};

/** @returns undefined for what is no DHCP reply */
export const parseDhcp = (p: Uint8Array): DhcpReply | undefined => {
  if (p.length < OPTIONS_AT || p[0] !== 2 || p[1] !== 1 || p[2] !== ETHER_ADDR_LEN)
    return undefined;
  if (get32(p, 236) !== COOKIE) return undefined;
  const options = new Map<number, Uint8Array>();
  for (let i = OPTIONS_AT; i < p.length && p[i] !== OPT_END; ) {
    const kind = p[i] as number;
    if (kind === OPT_PAD) {
      i++;
      continue;
    }
    const length = p[i + 1];
    if (length === undefined || i + 2 + length > p.length) return undefined;
    options.set(kind, p.subarray(i + 2, i + 2 + length));
    i += 2 + length;
  }
  const number = (kind: number): number => {
    const value = options.get(kind);
    return value === undefined || value.length < 4 ? 0 : get32(value, 0);
  };
  return {
    type: options.get(OPT_TYPE)?.[0] ?? 0,
    xid: get32(p, 4),
    chaddr: p.slice(28, 28 + ETHER_ADDR_LEN),
    yiaddr: get32(p, 16),
    server: number(OPT_SERVER),
    mask: number(OPT_MASK),
    router: number(OPT_ROUTER),
    dns: number(OPT_DNS),
    lease: number(OPT_LEASE),
    t1: number(OPT_T1),
    t2: number(OPT_T2),
  };
};
