/*
 * The messages of one kind of front ends, CMSG_BLKIF_FE or CMSG_NETIF_FE: each goes to the interface whose handle it has. DRIVER_STATUS is
 * about all of them.
 */
import {
  BLKIF_DRIVER_STATUS_UP,
  BLKIF_INTERFACE_STATUS_CLOSED,
  blkif_fe_driver_status,
  blkif_fe_interface_disconnect,
  CMSG_BLKIF_FE_DRIVER_STATUS,
  CMSG_BLKIF_FE_INTERFACE_CONNECT,
  CMSG_BLKIF_FE_INTERFACE_DISCONNECT,
  CMSG_BLKIF_FE_INTERFACE_QUERY,
  control_msg,
} from '@port-xen/abi';
import { BytesMemory, type Struct } from '@port-xen/layout';
import { MSG } from './control-message.ts';
import type { FrontEnd, InterfaceStatus } from './front-end.ts';

/** The payloads that a kind has of its own. */
export interface FrontEndPayloads {
  /** Of INTERFACE_QUERY. */
  readonly status: Struct;
  /** Of INTERFACE_CONNECT. */
  readonly connect: Struct;
}

/** All interfaces of one kind of a domain. */
export class FrontEnds {
  readonly #payloads: FrontEndPayloads;
  readonly #list: ReadonlyMap<number, FrontEnd>;

  /** @param list by handle */
  constructor(payloads: FrontEndPayloads, list: ReadonlyMap<number, FrontEnd>) {
    this.#payloads = payloads;
    this.#list = list;
  }

  /** The guest's port of an interface that is connected. */
  portOf(handle: number): number | undefined {
    return this.#list.get(handle)?.port;
  }

  /** What stands behind an interface has changed. */
  changed(handle: number): void {
    this.#list.get(handle)?.changed();
  }

  /** The domain has no control interface any more. */
  release(): void {
    for (const frontEnd of this.#list.values()) frontEnd.release();
  }

  /** Does what a message of the guest's says and answers it in place. */
  receive(message: Uint8Array): void {
    const memory = new BytesMemory(message);
    const view = control_msg.at(memory, 0);
    const expected = this.#payloadOf(view.subtype);
    if (expected === undefined || view.length !== expected.size) {
      view.length = 0;
      return;
    }
    if (view.subtype === CMSG_BLKIF_FE_DRIVER_STATUS) {
      this.#driverStatus(memory);
      return;
    }
    // Messages about an interface that there is not are acknowledged and mean nothing.
    const frontEnd = this.#list.get(memory.ld32(MSG) >>> 0);
    if (view.subtype === CMSG_BLKIF_FE_INTERFACE_QUERY) this.#query(memory, frontEnd);
    else if (view.subtype === CMSG_BLKIF_FE_INTERFACE_CONNECT) frontEnd?.connect(memory);
    else frontEnd?.disconnect();
  }

  #payloadOf(subtype: number): Struct | undefined {
    switch (subtype) {
      case CMSG_BLKIF_FE_DRIVER_STATUS:
        return blkif_fe_driver_status;
      case CMSG_BLKIF_FE_INTERFACE_CONNECT:
        return this.#payloads.connect;
      case CMSG_BLKIF_FE_INTERFACE_DISCONNECT:
        return blkif_fe_interface_disconnect;
      case CMSG_BLKIF_FE_INTERFACE_QUERY:
        return this.#payloads.status;
      default:
        return undefined;
    }
  }

  #driverStatus(memory: BytesMemory): void {
    const view = blkif_fe_driver_status.at(memory, MSG);
    view.max_handle = Math.max(0, ...this.#list.keys());
    const up = view.status === BLKIF_DRIVER_STATUS_UP;
    for (const frontEnd of this.#list.values()) frontEnd.driver(up);
  }

  #query(memory: BytesMemory, frontEnd: FrontEnd | undefined): void {
    if (frontEnd !== undefined) {
      frontEnd.query(memory);
      return;
    }
    const view = this.#payloads.status.at(memory, MSG) as unknown as InterfaceStatus;
    view.status = BLKIF_INTERFACE_STATUS_CLOSED;
  }
}
