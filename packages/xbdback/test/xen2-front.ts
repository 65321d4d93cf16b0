import {
  blkif_be_connect,
  blkif_be_create,
  blkif_be_vbd_create,
  blkif_be_vbd_grow,
  CMSG_BLKIF_BE,
  CMSG_BLKIF_BE_CONNECT,
  CMSG_BLKIF_BE_CREATE,
  CMSG_BLKIF_BE_VBD_CREATE,
  CMSG_BLKIF_BE_VBD_GROW,
  XEN2_BLKIF_RING_SIZE,
  xen2_blkif_request,
  xen2_blkif_response,
  xen2_blkif_ring,
} from '@port-xen/abi';
import { BytesMemory, type Struct } from '@port-xen/layout';
import { ask } from '@tooling/backend-testbed';
import type { World } from './world.ts';

const { offset } = xen2_blkif_ring;

/** A message of the domain controller's, sent. @returns the status in its answer, or undefined for an answer of length 0 */
export const send = <S extends Struct>(
  { back }: World,
  subtype: number,
  payload: S,
  fields: Parameters<typeof ask<S>>[4],
): number | undefined => ask(back, CMSG_BLKIF_BE, subtype, payload, fields);

/** What a request says; a segment is the machine address of its page with the sectors in its low bits. */
export interface Ask {
  operation: number;
  id: number;
  device?: number;
  sector?: number;
  segments?: readonly { mfn: number; first: number; last: number }[];
}

/** A front end of Xen 2's by hand: a ring that is frame `mfn` of its domain. */
export class Xen2Front {
  readonly page: BytesMemory;
  readonly #world: World;
  readonly domid: number;
  readonly mfn: number;
  readonly port = 7;
  #produced = 0;
  #consumed = 0;

  constructor(world: World, domid: number, mfn = 0x100) {
    this.#world = world;
    this.domid = domid;
    this.mfn = mfn;
    this.page = new BytesMemory(world.xen.frame(domid, mfn));
    world.xen.unbound.add(`${domid} ${this.port}`);
    send(world, CMSG_BLKIF_BE_CREATE, blkif_be_create, { domid });
  }

  /** Gives the interface a disk; `params` names it. */
  addDisk(params: string, vdevice: number, readonly = false): void {
    const { domid } = this;
    const device = this.#world.back.loop.attach(params, readonly ? 'r' : 'w');
    send(this.#world, CMSG_BLKIF_BE_VBD_CREATE, blkif_be_vbd_create, {
      domid,
      vdevice,
      readonly: readonly ? 1 : 0,
    });
    const grown = send(this.#world, CMSG_BLKIF_BE_VBD_GROW, blkif_be_vbd_grow, (grow) => {
      grow.domid = domid;
      grow.vdevice = vdevice;
      grow.extent.device = device;
      grow.extent.sector_length = this.#world.disks.get(params)?.sectors ?? 0;
    });
    if (grown !== 0) throw new Error(`expected VBD_GROW to be OKAY, found ${grown}`);
  }

  connect(): number | undefined {
    return send(this.#world, CMSG_BLKIF_BE_CONNECT, blkif_be_connect, {
      domid: this.domid,
      shmem_frame: this.mfn,
      evtchn: this.port,
    });
  }

  frame(mfn: number, readonly = false): Uint8Array {
    return this.#world.xen.frame(this.domid, mfn, readonly);
  }

  ask(...asks: readonly Ask[]): void {
    for (const ask of asks) {
      const at = offset.ring + (this.#produced++ % XEN2_BLKIF_RING_SIZE) * xen2_blkif_request.size;
      const request = xen2_blkif_request.at(this.page, at);
      request.operation = ask.operation;
      request.id = ask.id;
      request.device = ask.device ?? 0;
      request.sector_number = ask.sector ?? 0;
      const segments = ask.segments ?? [];
      request.nr_segments = segments.length;
      for (const [i, { mfn, first, last }] of segments.entries()) {
        request.frame_and_sects.set(i, (mfn << 12) | (first << 3) | last);
      }
    }
    this.page.st32(offset.req_prod, this.#produced);
    this.kick();
  }

  /** How often the back end rang. */
  get rung(): number {
    return this.#world.xen.rung(this.domid, this.port);
  }

  kick(): void {
    this.#world.xen.kick(this.domid, this.port);
  }

  answers(): { id: number; operation: number; status: number }[] {
    const answers = [];
    while (this.#consumed !== this.page.ld32(offset.resp_prod)) {
      const at = offset.ring + (this.#consumed++ % XEN2_BLKIF_RING_SIZE) * xen2_blkif_request.size;
      const { id, operation, status } = xen2_blkif_response.at(this.page, at);
      answers.push({ id, operation, status });
    }
    return answers;
  }
}
