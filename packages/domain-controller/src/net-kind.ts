/*
 * One network interface of a domain as the back end has it: the messages CMSG_NETIF_BE that make it, connect it and take it away again
 * (io/domain_controller.h of Xen 2.0). It is put on its bridge as xend has a script do it.
 */
import {
  CMSG_NETIF_BE,
  CMSG_NETIF_BE_CONNECT,
  CMSG_NETIF_BE_CREATE,
  CMSG_NETIF_BE_DESTROY,
  CMSG_NETIF_BE_DISCONNECT,
  CMSG_NETIF_FE,
  NETIF_BE_STATUS_MAPPING_ERROR,
  NETIF_BE_STATUS_OKAY,
  netif_be_connect,
  netif_be_create,
  netif_be_destroy,
  netif_fe_interface_connect,
  netif_fe_interface_status,
} from '@port-xen/abi';
import { BytesMemory, type Struct, type View } from '@port-xen/layout';
import { MSG, messageOf } from './control-message.ts';
import type { FrontEndKind } from './front-end.ts';

/** A host's network back end. */
export interface NetBackEnd {
  /** Does what a message of 64 bytes says and answers it in place. */
  receive(message: Uint8Array): void;
  /** Puts an interface on a bridge. @throws an Error whose message is a sentence for the user */
  attach(
    domid: number,
    handle: number,
    bridge: string,
    options: { readonly name?: string | undefined; readonly rate?: string | undefined },
  ): void;
}

/** An interface that a domain is given. */
export interface NicOfDomain {
  readonly handle: number;
  /** `00:16:3e:xx:xx:xx` */
  readonly mac: string;
  readonly bridge: string;
  readonly name: string | undefined;
  /** Bytes and microseconds, with a comma between. */
  readonly rate: string | undefined;
}

/** One network interface. */
export class NetKind implements FrontEndKind {
  readonly type: number = CMSG_NETIF_FE;
  readonly status: Struct = netif_fe_interface_status;
  readonly #backEnd: NetBackEnd;
  readonly #domid: number;
  readonly #handle: number;
  readonly #mac: Uint8Array;

  /** @throws an Error whose message is a sentence, when there is no such bridge; nothing is held then */
  constructor(backEnd: NetBackEnd, domid: number, nic: NicOfDomain) {
    this.#backEnd = backEnd;
    this.#domid = domid;
    this.#handle = nic.handle;
    this.#mac = Uint8Array.from(nic.mac.split(':'), (byte) => Number.parseInt(byte, 16));
    this.#post(CMSG_NETIF_BE_CREATE, netif_be_create, (view) => {
      view.mac = this.#mac;
    });
    try {
      backEnd.attach(domid, nic.handle, nic.bridge, { name: nic.name, rate: nic.rate });
    } catch (error) {
      this.#post(CMSG_NETIF_BE_DESTROY, netif_be_destroy);
      throw error;
    }
  }

  describe(memory: BytesMemory): void {
    netif_fe_interface_status.at(memory, MSG).mac = this.#mac;
  }

  connect(request: BytesMemory, port: number): string | undefined {
    const { tx_shmem_frame, rx_shmem_frame } = netif_fe_interface_connect.at(request, MSG);
    const status = this.#send(CMSG_NETIF_BE_CONNECT, netif_be_connect, (view) => {
      view.tx_shmem_frame = tx_shmem_frame;
      view.rx_shmem_frame = rx_shmem_frame;
      view.evtchn = port;
    });
    if (status === NETIF_BE_STATUS_OKAY) return undefined;
    return status === NETIF_BE_STATUS_MAPPING_ERROR
      ? `frames ${tx_shmem_frame} and ${rx_shmem_frame} cannot be its rings`
      : `the network back end answered ${status}`;
  }

  disconnect(): void {
    this.#post(CMSG_NETIF_BE_DISCONNECT, netif_be_destroy);
  }

  /** The domain is no more. */
  destroy(): void {
    this.disconnect();
    this.#post(CMSG_NETIF_BE_DESTROY, netif_be_destroy);
  }

  /** For what nothing but a bug of ours can make fail. */
  #post<S extends Struct>(subtype: number, payload: S, fill: (view: View<S>) => void = () => {}) {
    const status = this.#send(subtype, payload, fill);
    if (status !== NETIF_BE_STATUS_OKAY) {
      throw new Error(
        `expected the network back end to do message ${subtype} for domain ${this.#domid}, found status ${status}`,
      );
    }
  }

  #send<S extends Struct>(subtype: number, payload: S, fill: (view: View<S>) => void): number {
    const message = messageOf(CMSG_NETIF_BE, subtype, payload, (view) => {
      const interfaceOf = view as unknown as { domid: number; netif_handle: number };
      interfaceOf.domid = this.#domid;
      interfaceOf.netif_handle = this.#handle;
      fill(view);
    });
    this.#backEnd.receive(message);
    return new BytesMemory(message).ld32(MSG + (payload.offset.status as number));
  }
}
