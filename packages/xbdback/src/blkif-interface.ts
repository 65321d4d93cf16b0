/*
 * One block interface of one domain, as a control message made it: the disks that it serves, and the ring while it is connected.
 *
 *     CREATE ─▶ disconnected ─ CONNECT ─▶ connected ─ DISCONNECT ─▶ disconnected ─ DESTROY ─▶ gone
 *
 * Disks come and go in either state (VBD_CREATE, VBD_GROW, VBD_SHRINK, VBD_DESTROY): a front end finds them by PROBE.
 */
import {
  BLKIF_BE_STATUS_ERROR,
  BLKIF_BE_STATUS_EXTENT_NOT_FOUND,
  BLKIF_BE_STATUS_INTERFACE_CONNECTED,
  BLKIF_BE_STATUS_MAPPING_ERROR,
  BLKIF_BE_STATUS_OKAY,
  BLKIF_BE_STATUS_VBD_EXISTS,
  BLKIF_BE_STATUS_VBD_NOT_FOUND,
  BLKIF_RSP_ERROR,
  VDISK_FLAG_RO,
  VDISK_TYPE_DISK,
  xen2_vdisk,
} from '@port-xen/abi';
import { type Dom0, XenError } from '@port-xen/hypervisor';
import { BytesMemory } from '@port-xen/layout';
import type { Sim } from '@port-xen/sim';
import type { BlockStore } from './block-store.ts';
import { Connection, type ConnectionParts } from './connection.ts';
import { MachineRing } from './machine-ring.ts';
import type { ServedDisk } from './served-disk.ts';
import { Spindle } from './spindle.ts';
import type { Work } from './work.ts';

/** What an interface is made of. */
export interface BlkifParts {
  readonly sim: Sim;
  readonly dom0: ConnectionParts['dom0'] & Pick<Dom0, 'mapFrame'>;
  readonly domid: number;
  /** Names a disk's random stream, so that hosts and devices draw apart. */
  readonly streamOf: (vdevice: number) => string;
  readonly onAnswered: () => void;
}

interface Vbd {
  readonly readonly: boolean;
  readonly spindle: Spindle;
  store: BlockStore | undefined;
}

/** As many as fit in the page that PROBE fills. */
const MAX_VBDS = Math.floor(4096 / xen2_vdisk.size);
/** Machine addresses have 32 bits. */
const MAX_MFN = 2 ** 20;

/** Functions give BLKIF_BE_STATUS_*. */
export class BlkifInterface {
  readonly #parts: BlkifParts;
  readonly #vbds = new Map<number, Vbd>();
  #connection: Connection | undefined;

  constructor(parts: BlkifParts) {
    this.#parts = parts;
  }

  get vbds(): number {
    return this.#vbds.size;
  }

  get connected(): boolean {
    return this.#connection !== undefined;
  }

  createVbd(vdevice: number, readonly: boolean): number {
    if (this.#vbds.has(vdevice)) return BLKIF_BE_STATUS_VBD_EXISTS;
    if (this.#vbds.size === MAX_VBDS) return BLKIF_BE_STATUS_ERROR;
    const { sim, streamOf } = this.#parts;
    const spindle = new Spindle(sim, sim.random.stream(streamOf(vdevice)));
    this.#vbds.set(vdevice, { readonly, spindle, store: undefined });
    return BLKIF_BE_STATUS_OKAY;
  }

  /** Gives a disk its sectors: all those of one device of domain 0's. */
  growVbd(vdevice: number, store: BlockStore | undefined, start: number, length: number): number {
    const vbd = this.#vbds.get(vdevice);
    if (vbd === undefined) return BLKIF_BE_STATUS_VBD_NOT_FOUND;
    if (vbd.store !== undefined) return BLKIF_BE_STATUS_ERROR;
    if (store === undefined || start !== 0 || length !== store.sectors) {
      return BLKIF_BE_STATUS_EXTENT_NOT_FOUND;
    }
    vbd.store = store;
    return BLKIF_BE_STATUS_OKAY;
  }

  /** Takes a disk's sectors away; what was taken from the ring is done first. */
  shrinkVbd(vdevice: number): number {
    const vbd = this.#vbds.get(vdevice);
    if (vbd === undefined) return BLKIF_BE_STATUS_VBD_NOT_FOUND;
    if (vbd.store === undefined) return BLKIF_BE_STATUS_EXTENT_NOT_FOUND;
    vbd.spindle.finish();
    vbd.store = undefined;
    return BLKIF_BE_STATUS_OKAY;
  }

  destroyVbd(vdevice: number): number {
    const vbd = this.#vbds.get(vdevice);
    if (vbd === undefined) return BLKIF_BE_STATUS_VBD_NOT_FOUND;
    vbd.spindle.finish();
    this.#vbds.delete(vdevice);
    return BLKIF_BE_STATUS_OKAY;
  }

  /** Maps the ring and binds the port, both of them the guest's. */
  connect(mfn: number, port: number): number {
    if (this.#connection !== undefined) return BLKIF_BE_STATUS_INTERFACE_CONNECTED;
    if (mfn >= MAX_MFN) return BLKIF_BE_STATUS_MAPPING_ERROR;
    const { sim, dom0, domid, onAnswered } = this.#parts;
    try {
      const ring = new MachineRing(dom0, domid, mfn);
      this.#connection = new Connection(
        {
          sim,
          dom0,
          domid,
          ring,
          diskOf: (device) => this.#diskOf(device),
          probe: (work) => this.#probe(ring, work),
          abandon: () => {
            for (const { spindle } of this.#vbds.values()) spindle.abandon();
          },
          isDraining: () => false,
          onAnswered,
          onDone: () => {},
          onBroken: (sentence) => {
            this.#tell(`${sentence}; its interface is disconnected`);
            this.disconnect();
          },
        },
        port,
      );
      return BLKIF_BE_STATUS_OKAY;
    } catch (error) {
      if (!(error instanceof XenError)) throw error;
      this.#tell(error.message);
      return BLKIF_BE_STATUS_MAPPING_ERROR;
    }
  }

  /** Forgets what has not been answered. One that is not connected is so already. */
  disconnect(): number {
    this.#connection?.release();
    this.#connection = undefined;
    return BLKIF_BE_STATUS_OKAY;
  }

  #diskOf(device: number): ServedDisk | undefined {
    const vbd = this.#vbds.get(device);
    if (vbd?.store === undefined) return undefined;
    return { store: vbd.store, readonly: vbd.readonly, devid: device, spindle: vbd.spindle };
  }

  /** @returns how many disks the page now lists, or BLKIF_RSP_ERROR */
  #probe(ring: MachineRing, work: Work): number {
    const page = new BytesMemory(new Uint8Array(4096));
    let count = 0;
    for (const [device, { store, readonly }] of this.#vbds) {
      if (store === undefined) continue;
      const vdisk = xen2_vdisk.at(page, count++ * xen2_vdisk.size);
      vdisk.capacity = store.sectors;
      vdisk.device = device;
      vdisk.info = VDISK_TYPE_DISK | (readonly ? VDISK_FLAG_RO : 0);
    }
    const reason = ring.copy(work, page.bytes, true);
    if (reason === undefined) return count;
    this.#tell(`its disks cannot be listed: ${reason}`);
    return BLKIF_RSP_ERROR;
  }

  #tell(sentence: string): void {
    this.#parts.sim.tell('xbdback', `domain ${this.#parts.domid}: ${sentence}`);
  }
}
