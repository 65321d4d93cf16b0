/*
 * Segments (RFC 9293, 3.1; options of RFC 7323).
 *
 *     0       2       4       8       12  13      14      16      18      20
 *     | sport | dport | seq   | ack   | off flags | window| cksum | urgent| options … | data …
 */
import { get16, get32, put16, put32 } from './in-addr.ts';
import type { Datagram } from './ip.ts';
import { IP_HEADROOM } from './ip.ts';

export const TH_FIN = 1;
export const TH_SYN = 2;
export const TH_RST = 4;
export const TH_PUSH = 8;
export const TH_ACK = 16;

const TCP_HDR_LEN = 20;
export const TCP_CSUM_AT = 16;

const TCPOPT_EOL = 0;
const TCPOPT_NOP = 1;
const TCPOPT_MAXSEG = 2;
const TCPOPT_WINDOW = 3;
const TCPOPT_TIMESTAMP = 8;
const TIMESTAMP_LEN = 10;

/** What options say; a number is -1 when the option is absent. */
export interface TcpOptions {
  readonly mss: number;
  readonly wscale: number;
  readonly hasTs: boolean;
  readonly tsval: number;
  readonly tsecr: number;
}

export interface Segment extends TcpOptions {
  readonly src: number;
  readonly dst: number;
  readonly sport: number;
  readonly dport: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  /** As it stands in the header: not scaled. */
  readonly wnd: number;
  readonly data: Uint8Array;
}

/** An option whose length makes no sense ends the list (RFC 9293, 3.1: must not crash). */
const parseOptions = (p: Uint8Array, end: number): TcpOptions => {
  let mss = -1;
  let wscale = -1;
  let hasTs = false;
  let tsval = 0;
  let tsecr = 0;
  for (let i = TCP_HDR_LEN; i < end; ) {
    const kind = p[i] as number;
    if (kind === TCPOPT_EOL) break;
    if (kind === TCPOPT_NOP) {
      i++;
      continue;
    }
    const length = i + 1 < end ? (p[i + 1] as number) : 0;
    if (length < 2 || i + length > end) break;
    if (kind === TCPOPT_MAXSEG && length === 4) mss = get16(p, i + 2);
    else if (kind === TCPOPT_WINDOW && length === 3) wscale = p[i + 2] as number;
    else if (kind === TCPOPT_TIMESTAMP && length === TIMESTAMP_LEN) {
      hasTs = true;
      tsval = get32(p, i + 2);
      tsecr = get32(p, i + 6);
    }
    i += length;
  }
  return { mss, wscale, hasTs, tsval, tsecr };
};

/** @returns undefined when the header does not fit its packet. The checksum is the caller's to look at. */
export const parseSegment = (dg: Datagram): Segment | undefined => {
  const p = dg.packet.subarray(dg.hlen);
  if (p.length < TCP_HDR_LEN) return undefined;
  const off = ((p[12] as number) >>> 4) * 4;
  if (off < TCP_HDR_LEN || off > p.length) return undefined;
  return {
    ...parseOptions(p, off),
    src: dg.src,
    dst: dg.dst,
    sport: get16(p, 0),
    dport: get16(p, 2),
    seq: get32(p, 4),
    ack: get32(p, 8),
    flags: p[13] as number,
    wnd: get16(p, 14),
    data: p.subarray(off),
  };
};

/** Sequence numbers that a segment takes. */
export const segmentLength = (seg: Segment): number =>
  seg.data.length + ((seg.flags & TH_SYN) !== 0 ? 1 : 0) + ((seg.flags & TH_FIN) !== 0 ? 1 : 0);

/** What a segment to be sent says. */
export interface SegmentOut {
  readonly sport: number;
  readonly dport: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly wnd: number;
  /** Options, a multiple of four bytes. */
  readonly options: Uint8Array;
  /** Bytes of data, to be put at the end of the packet by the caller. */
  readonly length: number;
}

/** A packet with the header and options filled in and IP_HEADROOM bytes free in front. */
export const buildSegment = (out: SegmentOut): Uint8Array => {
  const off = TCP_HDR_LEN + out.options.length;
  const packet = new Uint8Array(IP_HEADROOM + off + out.length);
  const p = packet.subarray(IP_HEADROOM);
  put16(p, 0, out.sport);
  put16(p, 2, out.dport);
  put32(p, 4, out.seq);
  put32(p, 8, out.ack);
  p[12] = (off / 4) << 4;
  p[13] = out.flags;
  put16(p, 14, out.wnd);
  p.set(out.options, TCP_HDR_LEN);
  return packet;
};

/** Where the data of a built segment starts. */
export const dataAt = (out: SegmentOut): number => IP_HEADROOM + TCP_HDR_LEN + out.options.length;

/** The options to send: MSS and scale on a SYN (a number that is -1 is left out), timestamps wherever they were agreed on. */
export const buildOptions = (o: TcpOptions): Uint8Array => {
  const hasMss = o.mss >= 0;
  const hasScale = o.wscale >= 0;
  const options = new Uint8Array((hasMss ? 4 : 0) + (hasScale ? 4 : 0) + (o.hasTs ? 12 : 0));
  let at = 0;
  if (hasMss) {
    put32(options, at, (TCPOPT_MAXSEG << 24) | (4 << 16) | o.mss);
    at += 4;
  }
  if (hasScale) {
    put32(options, at, (TCPOPT_NOP << 24) | (TCPOPT_WINDOW << 16) | (3 << 8) | o.wscale);
    at += 4;
  }
  if (o.hasTs) {
    put16(options, at, (TCPOPT_NOP << 8) | TCPOPT_NOP);
    put16(options, at + 2, (TCPOPT_TIMESTAMP << 8) | TIMESTAMP_LEN);
    put32(options, at + 4, o.tsval);
    put32(options, at + 8, o.tsecr);
  }
  return options;
};
