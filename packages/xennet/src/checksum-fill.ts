/*
 * A checksum that was left to the back end, filled in because this one does not do it (xennet_checksum.c). Its field
 * holds the sum of the pseudo header, so what remains is to sum the segment, field included, and put the complement there.
 *
 *     14            14 + ihl
 *     │ IPv4 header │ TCP: checksum @16 │ UDP: checksum @6 … │ ← total length
 */
const ETHER_HDR_LEN = 14;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;

/** Fills in the checksum of a frame that the stack made. A frame without one is left as it is. */
export const checksumFill = (frame: Uint8Array): void => {
  const get16 = (at: number): number => ((frame[at] as number) << 8) | (frame[at + 1] as number);
  const start = ETHER_HDR_LEN + ((frame[ETHER_HDR_LEN] as number) & 15) * 4;
  const end = Math.min(frame.length, ETHER_HDR_LEN + get16(ETHER_HDR_LEN + 2));
  const protocol = frame[ETHER_HDR_LEN + 9];
  if (protocol !== IPPROTO_TCP && protocol !== IPPROTO_UDP) return;
  let sum = 0;
  for (let at = start; at + 1 < end; at += 2) sum += get16(at);
  if (((end - start) & 1) !== 0) sum += (frame[end - 1] as number) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000);
  let checksum = ~sum & 0xffff;
  // In UDP zero says that there is none.
  if (checksum === 0 && protocol === IPPROTO_UDP) checksum = 0xffff;
  const at = start + (protocol === IPPROTO_TCP ? 16 : 6);
  frame[at] = checksum >> 8;
  frame[at + 1] = checksum & 0xff;
};
