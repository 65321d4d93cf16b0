/*
 * The block back end's end of the controller interface: CMSG_BLKIF_BE messages (io/domain_controller.h of Xen 2.0), each answered in
 * place, with a status in its payload. They come from the domain controller, which may be trusted; what it passes on of a guest's, a
 * frame's number, may not.
 */
import {
  BLKIF_BE_STATUS_INTERFACE_CONNECTED,
  BLKIF_BE_STATUS_INTERFACE_EXISTS,
  BLKIF_BE_STATUS_INTERFACE_NOT_FOUND,
  BLKIF_BE_STATUS_OKAY,
  blkif_be_connect,
  blkif_be_create,
  blkif_be_vbd_create,
  blkif_be_vbd_destroy,
  blkif_be_vbd_grow,
  CMSG_BLKIF_BE_CONNECT,
  CMSG_BLKIF_BE_CREATE,
  CMSG_BLKIF_BE_DESTROY,
  CMSG_BLKIF_BE_DISCONNECT,
  CMSG_BLKIF_BE_VBD_CREATE,
  CMSG_BLKIF_BE_VBD_DESTROY,
  CMSG_BLKIF_BE_VBD_GROW,
  CMSG_BLKIF_BE_VBD_SHRINK,
  control_msg,
} from '@port-xen/abi';
import { BytesMemory, type Struct } from '@port-xen/layout';
import { BlkifInterface, type BlkifParts } from './blkif-interface.ts';
import type { LoopDevices } from './loop-devices.ts';

/** What the receiver is made of; `streamOf` of a domain and a disk. */
export interface BlkifMessagesParts extends Omit<BlkifParts, 'domid' | 'streamOf'> {
  readonly devices: LoopDevices;
  readonly streamOf: (domid: number, vdevice: number) => string;
}

type Deed = (at: BytesMemory) => number;

const MSG = control_msg.offset.msg;

/** Receives CMSG_BLKIF_BE and keeps the interfaces that it makes. */
export class BlkifMessages {
  readonly #parts: BlkifMessagesParts;
  /** By domid and handle. */
  readonly #interfaces = new Map<string, BlkifInterface>();
  readonly #deeds: Readonly<Record<number, readonly [Struct, Deed]>>;

  constructor(parts: BlkifMessagesParts) {
    this.#parts = parts;
    this.#deeds = {
      [CMSG_BLKIF_BE_CREATE]: [blkif_be_create, (m) => this.#create(m)],
      [CMSG_BLKIF_BE_DESTROY]: [blkif_be_create, (m) => this.#destroy(m)],
      [CMSG_BLKIF_BE_CONNECT]: [blkif_be_connect, (m) => this.#connect(m)],
      [CMSG_BLKIF_BE_DISCONNECT]: [
        blkif_be_create,
        (m) => this.#with(m, (blkif) => blkif.disconnect()),
      ],
      [CMSG_BLKIF_BE_VBD_CREATE]: [blkif_be_vbd_create, (m) => this.#createVbd(m)],
      [CMSG_BLKIF_BE_VBD_DESTROY]: [
        blkif_be_vbd_destroy,
        (m) => this.#with(m, (blkif) => blkif.destroyVbd(blkif_be_vbd_destroy.at(m, MSG).vdevice)),
      ],
      [CMSG_BLKIF_BE_VBD_GROW]: [blkif_be_vbd_grow, (m) => this.#growVbd(m)],
      [CMSG_BLKIF_BE_VBD_SHRINK]: [
        blkif_be_vbd_destroy,
        (m) => this.#with(m, (blkif) => blkif.shrinkVbd(blkif_be_vbd_destroy.at(m, MSG).vdevice)),
      ],
    };
  }

  /** Interfaces and disks that exist: for conservation checks. */
  get devices(): number {
    let count = 0;
    for (const { vbds } of this.#interfaces.values()) count += 1 + vbds;
    return count;
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

  #with(memory: BytesMemory, work: (blkif: BlkifInterface) => number): number {
    const blkif = this.#interfaces.get(keyOf(memory));
    return blkif === undefined ? BLKIF_BE_STATUS_INTERFACE_NOT_FOUND : work(blkif);
  }

  #create(memory: BytesMemory): number {
    const key = keyOf(memory);
    if (this.#interfaces.has(key)) return BLKIF_BE_STATUS_INTERFACE_EXISTS;
    const { domid } = blkif_be_create.at(memory, MSG);
    const { sim, dom0, streamOf, onAnswered } = this.#parts;
    const stream = (vdevice: number): string => streamOf(domid, vdevice);
    this.#interfaces.set(
      key,
      new BlkifInterface({ sim, dom0, domid, streamOf: stream, onAnswered }),
    );
    return BLKIF_BE_STATUS_OKAY;
  }

  #destroy(memory: BytesMemory): number {
    return this.#with(memory, (blkif) => {
      if (blkif.connected) return BLKIF_BE_STATUS_INTERFACE_CONNECTED;
      this.#interfaces.delete(keyOf(memory));
      return BLKIF_BE_STATUS_OKAY;
    });
  }

  #connect(memory: BytesMemory): number {
    const { shmem_frame, evtchn } = blkif_be_connect.at(memory, MSG);
    return this.#with(memory, (blkif) => blkif.connect(shmem_frame, evtchn));
  }

  #createVbd(memory: BytesMemory): number {
    const { vdevice, readonly } = blkif_be_vbd_create.at(memory, MSG);
    return this.#with(memory, (blkif) => blkif.createVbd(vdevice, readonly !== 0));
  }

  #growVbd(memory: BytesMemory): number {
    const { vdevice, extent } = blkif_be_vbd_grow.at(memory, MSG);
    const { sector_start, sector_length, device } = extent;
    const store = this.#parts.devices.get(device);
    return this.#with(memory, (blkif) =>
      blkif.growVbd(vdevice, store, sector_start, sector_length),
    );
  }
}

/** Every payload begins with the domain and the handle. */
const keyOf = (memory: BytesMemory): string => {
  const { domid, blkif_handle } = blkif_be_create.at(memory, MSG);
  return `${domid} ${blkif_handle}`;
};
