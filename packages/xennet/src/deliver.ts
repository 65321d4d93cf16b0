import type { NetworkStack } from './network-stack.ts';
import { ETHER_ADDR_LEN } from './xennet-data.ts';

const ETHER_HDR_LEN = 14;

/** An interface, as far as frames that come for it go. */
interface Addressee {
  readonly sc_ifp: number;
  readonly sc_enaddr: Uint8Array;
}

/**
 * A frame that was received: to the stack, or an input error.
 * @param bytes undefined for what could not be made out @param csum M_CSUM_*
 */
export const deliver = (
  stack: NetworkStack,
  { sc_ifp, sc_enaddr }: Addressee,
  bytes: Uint8Array | undefined,
  csum: number,
): void => {
  const { ifnets, mbufs } = stack.parts;
  if (bytes === undefined || bytes.length < ETHER_HDR_LEN) {
    ifnets.at(sc_ifp).if_ierrors++;
    return;
  }
  // A bridge floods what it does not know the place of: that is nobody's error.
  if (!isFor(bytes, sc_enaddr)) return;
  const m = mbufs.fromBytes(bytes);
  if (m === 0) {
    ifnets.at(sc_ifp).if_ierrors++;
    return;
  }
  mbufs.at(m).m_csum = csum;
  stack.etherInput(sc_ifp, m);
};

/** Whether a frame is for this address or for a group. */
const isFor = (frame: Uint8Array, address: Uint8Array): boolean => {
  if (((frame[0] as number) & 1) !== 0) return true;
  for (let i = 0; i < ETHER_ADDR_LEN; i++) if (frame[i] !== address[i]) return false;
  return true;
};
