/*
 * The stack above, as far as this driver looks at it: an `Inet` of netinet's (ifnet(9), mbuf(9)).
 */
import type { IfAttach } from '@port-xen/netinet';

/** A buffer, as far as it is looked at here. */
export interface StackMbuf {
  readonly m_next: number;
  readonly m_data: number;
  readonly m_len: number;
  readonly m_pktlen: number;
  m_csum: number;
}

/** The buffers' pool. */
export interface StackMbufs {
  at(m: number): StackMbuf;
  freem(m: number): void;
  /** @returns 0 when there is no room */
  fromBytes(packet: Uint8Array): number;
  toBytes(m: number): Uint8Array;
}

/** An interface, as far as it is looked at here. */
export interface StackIfnet {
  if_flags: number;
  if_capenable: number;
  if_mtu: number;
  if_lladdr: Uint8Array;
  if_ierrors: number;
  if_oerrors: number;
}

/** Where frames come from and go to. */
export interface NetworkStack {
  readonly parts: {
    readonly mbufs: StackMbufs;
    readonly ifnets: {
      at(ifp: number): StackIfnet;
      /** if_attach(9). @returns the interface's address */
      attach(name: string, driver: IfAttach): number;
    };
  };
  /** A frame was received; the mbuf is the stack's. */
  etherInput(ifp: number, m: number): void;
  /** The back end serves the interface (IFF_RUNNING), or does not any more. */
  linkState(ifp: number, up: boolean): void;
  /** Connections that have sent what the peer has not acknowledged, and do not wait for it in vain. */
  readonly inFlight: number;
  /** There is room again: no IFF_OACTIVE. */
  ready(ifp: number): void;
}
