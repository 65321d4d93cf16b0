import { netif_extra_info, netif_rx_response, netif_tx_response } from '@port-xen/abi';
import type { GrantMapping } from '@port-xen/hypervisor';
import type { NetGuest } from './net-guest.ts';

/** Slots of either ring. */
export const ENTRIES = 256;
/** Where they begin. */
export const FIRST = 64;
export const TX_SLOT = 12;
const RX_SLOT = 8;
const RSP_PROD = 8;

/** The rings of a guest's interface as a back end that means harm has them, behind the real one's back. */
export class Rings {
  readonly tx: GrantMapping;
  readonly rx: GrantMapping;

  constructor(net: NetGuest) {
    const { domid } = net.guest;
    const map = (name: string): GrantMapping => {
      const ref = net.host.store.read(`/local/domain/${domid}/device/vif/0/${name}`);
      return net.host.hv.dom0.grantMap(domid, Number(ref), false);
    };
    this.tx = map('tx-ring-ref');
    this.rx = map('rx-ring-ref');
  }

  /** Puts transmit responses in and publishes them. */
  answer(...responses: readonly (readonly [id: number, status: number])[]): void {
    const { memory } = this.tx;
    for (const [id, status] of responses) {
      const produced = memory.ld32(RSP_PROD);
      const at = FIRST + (produced & (ENTRIES - 1)) * TX_SLOT;
      const response = netif_tx_response.at(memory, at);
      response.id = id;
      response.status = status;
      memory.st32(RSP_PROD, produced + 1);
    }
  }

  /** Puts receive responses in and publishes them; an id that is not given is the slot's. */
  deliver(
    ...responses: readonly { id?: number; offset?: number; flags?: number; status: number }[]
  ): void {
    const { memory } = this.rx;
    for (const { id, offset = 0, flags = 0, status } of responses) {
      const produced = memory.ld32(RSP_PROD);
      const slot = produced & (ENTRIES - 1);
      const response = netif_rx_response.at(memory, FIRST + slot * RX_SLOT);
      response.id = id ?? slot;
      response.offset = offset;
      response.flags = flags;
      response.status = status;
      memory.st32(RSP_PROD, produced + 1);
    }
  }

  /** A slot of extra information. */
  extra(type: number, more = false): void {
    const { memory } = this.rx;
    const produced = memory.ld32(RSP_PROD);
    const info = netif_extra_info.at(memory, FIRST + (produced & (ENTRIES - 1)) * RX_SLOT);
    info.type = type;
    info.flags = more ? 1 : 0;
    memory.st32(RSP_PROD, produced + 1);
  }

  /** The reference that the guest posted last in a receive slot. */
  refOf(slot: number): number {
    return this.rx.memory.ld32(FIRST + slot * RX_SLOT + 4);
  }

  /** The slot whose turn it is. */
  get next(): number {
    return this.rx.memory.ld32(RSP_PROD) & (ENTRIES - 1);
  }

  unmap(): void {
    this.tx.unmap();
    this.rx.unmap();
  }
}
