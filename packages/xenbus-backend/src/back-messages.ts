/*
 * The interfaces of one back end of Xen 2, made and driven by the domain controller's messages (CMSG_BLKIF_BE, CMSG_NETIF_BE;
 * io/domain_controller.h of Xen 2.0):
 *
 *     control_msg   type │ subtype │ id │ length │ msg: the subtype's payload
 *     payload       domid u16 │ pad │ handle u32 │ … │ status u32 │ …
 *
 * The subtype says what is to be done, and so what the payload is. Each message is answered in place, with a status in the payload. Every
 * payload begins with the domain and the handle of an interface; all but CREATE want it to be there. Disks and networks have their own names for
 * subtypes up to DISCONNECT, for statuses up to INTERFACE_CONNECTED and for DESTROY's payload, with the same numbers and bytes behind them.
 */
import {
  BLKIF_BE_STATUS_INTERFACE_CONNECTED,
  BLKIF_BE_STATUS_INTERFACE_EXISTS,
  BLKIF_BE_STATUS_INTERFACE_NOT_FOUND,
  BLKIF_BE_STATUS_OKAY,
  blkif_be_destroy,
  CMSG_BLKIF_BE_CREATE,
  CMSG_BLKIF_BE_DESTROY,
  control_msg,
} from '@port-xen/abi';
import { BytesMemory, type Struct, type View } from '@port-xen/layout';

const MSG = control_msg.offset.msg;

/** What a message means: its payload, and what is done with what that says, `of` somebody or nobody. */
export interface Deed<Of extends readonly unknown[], Result> {
  readonly payload: Struct;
  readonly work: (memory: BytesMemory, ...of: Of) => Result;
}

/** A deed that reads its payload as a view. */
export const deed = <S extends Struct, Of extends readonly unknown[], Result>(
  payload: S,
  work: (said: View<S>, ...of: Of) => Result,
): Deed<Of, Result> => ({
  payload,
  work: (memory, ...of) => work(payload.at(memory, MSG) as View<S>, ...of),
});

/** What is asked of an interface, whatever it carries. */
export interface BackInterface {
  readonly connected: boolean;
  /** Lets go of what it holds even when it is not connected, if there is any. */
  destroy?(): void;
}

/** Receives a back end's messages and keeps the interfaces that they make. */
export class BackMessages<Interface extends BackInterface> {
  readonly #create: Deed<[], Interface>;
  readonly #deeds: Readonly<Record<number, Deed<[Interface], number>>>;
  /** By domid and handle. */
  readonly #interfaces = new Map<string, Interface>();

  /**
   * @param create makes the interface of a CREATE
   * @param deeds what the subtypes other than CREATE and DESTROY mean to an interface; each gives the status of its answer
   */
  constructor(
    create: Deed<[], Interface>,
    deeds: Readonly<Record<number, Deed<[Interface], number>>>,
  ) {
    this.#create = create;
    this.#deeds = deeds;
  }

  /** Those that exist. */
  get interfaces(): readonly Interface[] {
    return [...this.#interfaces.values()];
  }

  find(domid: number, handle: number): Interface | undefined {
    return this.#interfaces.get(keyOf(domid, handle));
  }

  /**
   * Does what a message says and answers it in place.
   * @param message 64 bytes; one that is not known, or of another length, is answered with a length of 0
   */
  receive(message: Uint8Array): void {
    const memory = new BytesMemory(message);
    const view = control_msg.at(memory, 0);
    const payload = this.#payloadOf(view.subtype);
    if (payload?.size !== view.length) {
      view.length = 0;
      return;
    }
    memory.st32(MSG + (payload.offset.status as number), this.#do(view.subtype, memory));
  }

  #payloadOf(subtype: number): Struct | undefined {
    if (subtype === CMSG_BLKIF_BE_CREATE) return this.#create.payload;
    if (subtype === CMSG_BLKIF_BE_DESTROY) return blkif_be_destroy;
    return this.#deeds[subtype]?.payload;
  }

  /** @param memory a message with that subtype's payload @returns its answer's status */
  #do(subtype: number, memory: BytesMemory): number {
    const { domid, blkif_handle } = blkif_be_destroy.at(memory, MSG);
    const key = keyOf(domid, blkif_handle);
    const found = this.#interfaces.get(key);
    if (subtype === CMSG_BLKIF_BE_CREATE) {
      if (found !== undefined) return BLKIF_BE_STATUS_INTERFACE_EXISTS;
      this.#interfaces.set(key, this.#create.work(memory));
      return BLKIF_BE_STATUS_OKAY;
    }
    if (found === undefined) return BLKIF_BE_STATUS_INTERFACE_NOT_FOUND;
    if (subtype === CMSG_BLKIF_BE_DESTROY) {
      if (found.connected) return BLKIF_BE_STATUS_INTERFACE_CONNECTED;
      found.destroy?.();
      this.#interfaces.delete(key);
      return BLKIF_BE_STATUS_OKAY;
    }
    return (this.#deeds[subtype] as Deed<[Interface], number>).work(memory, found);
  }
}

const keyOf = (domid: number, handle: number): string => `${domid} ${handle}`;
