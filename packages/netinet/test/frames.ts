/* Frames made by hand, and read. */
import {
  ETHER_HDR_LEN,
  ETHERTYPE_ARP,
  ETHERTYPE_IP,
  etherBroadcast,
  etherType,
  putEther,
} from '../src/ether.ts';
import { get16, get32, IPPROTO_TCP, put16, put32 } from '../src/in-addr.ts';
import { inCksum, pseudoSum } from '../src/in-cksum.ts';
import { IP_HEADROOM } from '../src/ip.ts';
import {
  buildOptions,
  buildSegment,
  dataAt,
  parseSegment,
  type Segment,
} from '../src/tcp-header.ts';

export const macOf = (addr: number): Uint8Array =>
  Uint8Array.of(2, 0, ...[24, 16, 8, 0].map((n) => (addr >>> n) & 255));

export interface ArpFields {
  readonly op: number;
  readonly from: number;
  readonly to: number;
  /** The sender's Ethernet address when it is not the one that goes with `from`. */
  readonly mac?: Uint8Array;
}

export const arpFrame = (f: ArpFields): Uint8Array => {
  const frame = new Uint8Array(ETHER_HDR_LEN + 28);
  const mac = f.mac ?? macOf(f.from);
  putEther(frame, f.op === 1 ? etherBroadcast() : macOf(f.to), mac, ETHERTYPE_ARP);
  const p = frame.subarray(ETHER_HDR_LEN);
  p.set([0, 1, 8, 0, 6, 4, 0, f.op]);
  p.set(mac, 8);
  put32(p, 14, f.from);
  p.set(f.op === 1 ? new Uint8Array(6) : macOf(f.to), 18);
  put32(p, 24, f.to);
  return frame;
};

export interface IpFields {
  readonly src: number;
  readonly dst: number;
  readonly proto: number;
  readonly id?: number;
  /** Flags and offset as they stand in the header. */
  readonly off?: number;
  readonly ttl?: number;
}

/** An Ethernet frame with an IPv4 packet of this payload. */
export const ipFrame = (f: IpFields, payload: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(IP_HEADROOM + payload.length);
  putEther(frame, macOf(f.dst), macOf(f.src), ETHERTYPE_IP);
  const h = frame.subarray(ETHER_HDR_LEN);
  h[0] = 0x45;
  put16(h, 2, 20 + payload.length);
  put16(h, 4, f.id ?? 1);
  put16(h, 6, f.off ?? 0);
  h[8] = f.ttl ?? 64;
  h[9] = f.proto;
  put32(h, 12, f.src);
  put32(h, 16, f.dst);
  put16(h, 10, inCksum(h, 0, 20));
  frame.set(payload, IP_HEADROOM);
  return frame;
};

export interface TcpFields {
  readonly src: number;
  readonly dst: number;
  readonly sport: number;
  readonly dport: number;
  readonly seq: number;
  readonly ack?: number;
  readonly flags: number;
  readonly wnd?: number;
  readonly mss?: number;
  readonly wscale?: number;
  readonly ts?: readonly [number, number];
  readonly data?: Uint8Array;
}

export const tcpFrame = (f: TcpFields): Uint8Array => {
  const data = f.data ?? new Uint8Array(0);
  const out = {
    sport: f.sport,
    dport: f.dport,
    seq: f.seq >>> 0,
    ack: (f.ack ?? 0) >>> 0,
    flags: f.flags,
    wnd: f.wnd ?? 65535,
    options: buildOptions({
      mss: f.mss ?? -1,
      wscale: f.wscale ?? -1,
      hasTs: f.ts !== undefined,
      tsval: f.ts?.[0] ?? 0,
      tsecr: f.ts?.[1] ?? 0,
    }),
    length: data.length,
  };
  const packet = buildSegment(out);
  packet.set(data, dataAt(out));
  const segment = packet.subarray(IP_HEADROOM);
  put16(
    segment,
    16,
    inCksum(segment, 0, segment.length, pseudoSum(f.src, f.dst, IPPROTO_TCP, segment.length)),
  );
  return ipFrame({ src: f.src, dst: f.dst, proto: IPPROTO_TCP }, segment);
};

/** The segment in a frame; undefined when it holds none. */
export const segmentOf = (frame: Uint8Array): Segment | undefined => {
  if (etherType(frame) !== ETHERTYPE_IP || frame[ETHER_HDR_LEN + 9] !== IPPROTO_TCP)
    return undefined;
  const packet = frame.subarray(ETHER_HDR_LEN, ETHER_HDR_LEN + get16(frame, ETHER_HDR_LEN + 2));
  return parseSegment({
    ifp: undefined as never,
    src: get32(packet, 12),
    dst: get32(packet, 16),
    proto: IPPROTO_TCP,
    ttl: packet[8] as number,
    broadcast: false,
    packet,
    hlen: 20,
    validated: true,
  });
};
