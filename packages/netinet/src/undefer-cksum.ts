/*
 * A packet that was made for an interface with checksum offload and leaves by one without (in_undefer_cksum): it waited, and the
 * back end is another one now. Its checksum field holds the pseudo-header's sum; what the card would have done is done here.
 */
import { ETHER_HDR_LEN } from './ether.ts';
import { get16, IPPROTO_TCP, put16 } from './in-addr.ts';
import { fold, sumOf } from './in-cksum.ts';
import { M_CSUM_BLANK, type Mbufs } from './mbuf.ts';

const TCP_CSUM_AT = 16;
const UDP_CSUM_AT = 6;

/** Fills the checksum of an outgoing packet in, if that was left to the card. */
export const undeferCksum = (mbufs: Mbufs, packet: number): void => {
  const m = mbufs.at(packet);
  if ((m.m_csum & M_CSUM_BLANK) === 0) return;
  const frame = mbufs.toBytes(packet);
  const transport = ETHER_HDR_LEN + ((frame[ETHER_HDR_LEN] as number) & 15) * 4;
  const isTcp = frame[ETHER_HDR_LEN + 9] === IPPROTO_TCP;
  const field = transport + (isTcp ? TCP_CSUM_AT : UDP_CSUM_AT);
  const end = ETHER_HDR_LEN + get16(frame, ETHER_HDR_LEN + 2);
  const sum = ~fold(sumOf(frame, transport, end)) & 0xffff;
  const bytes = new Uint8Array(2);
  put16(bytes, 0, sum === 0 && !isTcp ? 0xffff : sum);
  mbufs.overwrite(packet, field, bytes);
  m.m_csum = 0;
};
