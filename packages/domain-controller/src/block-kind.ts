/*
 * A domain's block interface as the back end has it: the messages CMSG_BLKIF_BE that make it, give it disks, connect it and take it
 * away again (io/domain_controller.h of Xen 2.0). All disks of a domain are behind its one interface.
 */
import {
  BLKIF_BE_STATUS_MAPPING_ERROR,
  BLKIF_BE_STATUS_OKAY,
  blkif_be_connect,
  blkif_be_create,
  blkif_be_vbd_create,
  blkif_be_vbd_destroy,
  blkif_be_vbd_grow,
  blkif_fe_interface_connect,
  blkif_fe_interface_status,
  CMSG_BLKIF_BE,
  CMSG_BLKIF_BE_CONNECT,
  CMSG_BLKIF_BE_CREATE,
  CMSG_BLKIF_BE_DESTROY,
  CMSG_BLKIF_BE_DISCONNECT,
  CMSG_BLKIF_BE_VBD_CREATE,
  CMSG_BLKIF_BE_VBD_DESTROY,
  CMSG_BLKIF_BE_VBD_GROW,
  CMSG_BLKIF_FE,
} from '@port-xen/abi';
import { BytesMemory, type Struct, type View } from '@port-xen/layout';
import { MSG, messageOf } from './control-message.ts';
import type { FrontEndKind } from './front-end.ts';

/** A host's block back end, and its disks by number. */
export interface BlockBackEnd {
  /** Does what a message of 64 bytes says and answers it in place. */
  receive(message: Uint8Array): void;
  readonly loop: {
    /** @returns the number of a disk that is now open @throws an Error whose message is a sentence for the user */
    attach(params: string, mode: 'r' | 'w'): number;
    detach(device: number): void;
    get(device: number): { readonly sectors: number } | undefined;
  };
}

/** A disk that a domain is given. */
export interface DiskOfDomain {
  /** What the back end is to open. */
  readonly params: string;
  readonly readonly: boolean;
  /** The number by which the guest knows it, below 65,536. */
  readonly vdevice: number;
}

/** One domain's block interface. */
export class BlockKind implements FrontEndKind {
  readonly type: number = CMSG_BLKIF_FE;
  readonly status: Struct = blkif_fe_interface_status;
  readonly #backEnd: BlockBackEnd;
  readonly #domid: number;
  /** Domain 0's device of each disk. */
  readonly #devices = new Map<number, number>();

  constructor(backEnd: BlockBackEnd, domid: number) {
    this.#backEnd = backEnd;
    this.#domid = domid;
    this.#post(CMSG_BLKIF_BE_CREATE, blkif_be_create);
  }

  describe(): void {}

  connect(request: BytesMemory, port: number): string | undefined {
    const { shmem_frame } = blkif_fe_interface_connect.at(request, MSG);
    const status = this.#send(CMSG_BLKIF_BE_CONNECT, blkif_be_connect, (view) => {
      view.shmem_frame = shmem_frame;
      view.evtchn = port;
    });
    if (status === BLKIF_BE_STATUS_OKAY) return undefined;
    return status === BLKIF_BE_STATUS_MAPPING_ERROR
      ? `frame ${shmem_frame} cannot be its ring`
      : `the block back end answered ${status}`;
  }

  disconnect(): void {
    this.#post(CMSG_BLKIF_BE_DISCONNECT, blkif_be_create);
  }

  /** @throws an Error whose message is a sentence, when the disk cannot be had or the number is taken; nothing is held then */
  addDisk({ params, readonly, vdevice }: DiskOfDomain): void {
    if (vdevice >= 2 ** 16 || this.#devices.has(vdevice)) {
      throw new Error(
        `expected a device number below 65536 that domain ${this.#domid} does not have, found ${vdevice}`,
      );
    }
    const { loop } = this.#backEnd;
    const device = loop.attach(params, readonly ? 'r' : 'w');
    this.#post(CMSG_BLKIF_BE_VBD_CREATE, blkif_be_vbd_create, (view) => {
      view.vdevice = vdevice;
      view.readonly = readonly ? 1 : 0;
    });
    this.#post(CMSG_BLKIF_BE_VBD_GROW, blkif_be_vbd_grow, (view) => {
      view.vdevice = vdevice;
      view.extent.device = device;
      view.extent.sector_length = loop.get(device)?.sectors ?? 0;
    });
    this.#devices.set(vdevice, device);
  }

  /** Takes a disk away; what was taken from the guest's ring is done first. @returns whether there was one */
  removeDisk(vdevice: number): boolean {
    const device = this.#devices.get(vdevice);
    if (device === undefined) return false;
    this.#post(CMSG_BLKIF_BE_VBD_DESTROY, blkif_be_vbd_destroy, (view) => {
      view.vdevice = vdevice;
    });
    this.#devices.delete(vdevice);
    this.#backEnd.loop.detach(device);
    return true;
  }

  /** The domain is no more. */
  destroy(): void {
    this.disconnect();
    for (const vdevice of [...this.#devices.keys()]) this.removeDisk(vdevice);
    this.#post(CMSG_BLKIF_BE_DESTROY, blkif_be_create);
  }

  /** For what nothing but a bug of ours can make fail. */
  #post<S extends Struct>(subtype: number, payload: S, fill: (view: View<S>) => void = () => {}) {
    const status = this.#send(subtype, payload, fill);
    if (status !== BLKIF_BE_STATUS_OKAY) {
      throw new Error(
        `expected the block back end to do message ${subtype} for domain ${this.#domid}, found status ${status}`,
      );
    }
  }

  #send<S extends Struct>(subtype: number, payload: S, fill: (view: View<S>) => void): number {
    const message = messageOf(CMSG_BLKIF_BE, subtype, payload, (view) => {
      (view as unknown as { domid: number }).domid = this.#domid;
      fill(view);
    });
    this.#backEnd.receive(message);
    return new BytesMemory(message).ld32(MSG + (payload.offset.status as number));
  }
}
