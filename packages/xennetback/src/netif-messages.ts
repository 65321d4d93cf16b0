/*
 * The network back end's end of the controller interface: CMSG_NETIF_BE messages (io/domain_controller.h of Xen 2.0), each answered in
 * place, with a status in its payload. They come from the domain controller, which may be trusted; what it passes on of a guest's, the
 * numbers of two frames, may not.
 */
import {
  CMSG_NETIF_BE_CONNECT,
  CMSG_NETIF_BE_CREATE,
  CMSG_NETIF_BE_DESTROY,
  CMSG_NETIF_BE_DISCONNECT,
  control_msg,
  NETIF_BE_STATUS_INTERFACE_CONNECTED,
  NETIF_BE_STATUS_INTERFACE_EXISTS,
  NETIF_BE_STATUS_INTERFACE_NOT_FOUND,
  NETIF_BE_STATUS_OKAY,
  netif_be_connect,
  netif_be_create,
  netif_be_destroy,
} from '@port-xen/abi';
import { BytesMemory, type Struct } from '@port-xen/layout';
import { NetifInterface, type NetifParts } from './netif-interface.ts';

type Deed = (at: BytesMemory) => number;

const MSG = control_msg.offset.msg;

/** Receives CMSG_NETIF_BE and keeps the interfaces that it makes. */
export class NetifMessages {
  readonly #parts: NetifParts;
  /** By domid and handle. */
  readonly #interfaces = new Map<string, NetifInterface>();
  readonly #deeds: Readonly<Record<number, readonly [Struct, Deed]>>;

  constructor(parts: NetifParts) {
    this.#parts = parts;
    this.#deeds = {
      [CMSG_NETIF_BE_CREATE]: [netif_be_create, (m) => this.#create(m)],
      [CMSG_NETIF_BE_DESTROY]: [netif_be_destroy, (m) => this.#destroy(m)],
      [CMSG_NETIF_BE_CONNECT]: [netif_be_connect, (m) => this.#connect(m)],
      [CMSG_NETIF_BE_DISCONNECT]: [
        netif_be_destroy,
        (m) => this.#with(m, (netif) => netif.disconnect()),
      ],
    };
  }

  /** Interfaces that exist: for conservation checks. */
  get devices(): number {
    return this.#interfaces.size;
  }

  find(domid: number, handle: number): NetifInterface | undefined {
    return this.#interfaces.get(`${domid} ${handle}`);
  }

  /**
   * Does what a message says and answers it in place.
   * @param message 64 bytes; one that is not known, or of another length, is answered with a length of 0
   */
  receive(message: Uint8Array): void {
    const memory = new BytesMemory(message);
    const view = control_msg.at(memory, 0);
    const deed = this.#deeds[view.subtype];
    if (deed === undefined || view.length !== deed[0].size) {
      view.length = 0;
      return;
    }
    const [payload, work] = deed;
    memory.st32(MSG + (payload.offset.status as number), work(memory));
  }

  #with(memory: BytesMemory, work: (netif: NetifInterface) => number): number {
    const netif = this.#interfaces.get(keyOf(memory));
    return netif === undefined ? NETIF_BE_STATUS_INTERFACE_NOT_FOUND : work(netif);
  }

  #create(memory: BytesMemory): number {
    const key = keyOf(memory);
    if (this.#interfaces.has(key)) return NETIF_BE_STATUS_INTERFACE_EXISTS;
    const { domid, netif_handle, mac } = netif_be_create.at(memory, MSG);
    const text = [...mac].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
    this.#interfaces.set(key, new NetifInterface(this.#parts, domid, netif_handle, text));
    return NETIF_BE_STATUS_OKAY;
  }

  #destroy(memory: BytesMemory): number {
    return this.#with(memory, (netif) => {
      if (netif.connected) return NETIF_BE_STATUS_INTERFACE_CONNECTED;
      netif.destroy();
      this.#interfaces.delete(keyOf(memory));
      return NETIF_BE_STATUS_OKAY;
    });
  }

  #connect(memory: BytesMemory): number {
    const { tx_shmem_frame, rx_shmem_frame, evtchn } = netif_be_connect.at(memory, MSG);
    return this.#with(memory, (netif) => netif.connect(tx_shmem_frame, rx_shmem_frame, evtchn));
  }
}

/** Every payload begins with the domain and the handle. */
const keyOf = (memory: BytesMemory): string => {
  const { domid, netif_handle } = netif_be_destroy.at(memory, MSG);
  return `${domid} ${netif_handle}`;
};
