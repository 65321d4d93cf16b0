/*
 * A domain whose disks are over the controller interface, with a controller that does what the test says, and the host's own block back
 * end.
 */
import {
  BLKIF_INTERFACE_STATUS_CONNECTED,
  BLKIF_INTERFACE_STATUS_DISCONNECTED,
  blkif_be_connect,
  blkif_be_create,
  blkif_be_vbd_create,
  blkif_be_vbd_destroy,
  blkif_be_vbd_grow,
  blkif_fe_interface_status,
  CMSG_BLKIF_BE,
  CMSG_BLKIF_BE_CONNECT,
  CMSG_BLKIF_BE_CREATE,
  CMSG_BLKIF_BE_DISCONNECT,
  CMSG_BLKIF_BE_VBD_CREATE,
  CMSG_BLKIF_BE_VBD_DESTROY,
  CMSG_BLKIF_BE_VBD_GROW,
  CMSG_BLKIF_FE_DRIVER_STATUS,
  CMSG_BLKIF_FE_INTERFACE_CONNECT,
  control_msg,
} from '@port-xen/abi';
import { BytesMemory, type Struct, type View } from '@port-xen/layout';
import type { TestGuestOptions } from '@tooling/guest-testbed';
import { createHost, type MemoryDisk, type TestHost } from '@tooling/testbed';
import { ctrlIfImage } from './ctrl-if-probe.ts';
import { ProbeGuest } from './disk-guest.ts';

/** By device number. */
export type Disks = Readonly<Record<number, MemoryDisk>>;

const MSG = control_msg.offset.msg;

/** A host for domains of Xen 2. */
export const hostOfSlot = (slot: number): TestHost =>
  createHost({ mib: 32, slot, interface: 'xen-2.0', seed: slot + 1 });

export class ControlledGuest extends ProbeGuest {
  disks: Disks;
  readonly readonly: readonly number[] = [];

  constructor(options: TestGuestOptions, disks: Disks) {
    super(ctrlIfImage, { host: hostOfSlot(0), ...options });
    this.disks = disks;
    this.serve();
    this.join();
  }

  /** Says something to the block back end. */
  post<S extends Struct>(
    subtype: number,
    payload: S,
    fill: (view: View<S>) => void = () => {},
  ): void {
    const memory = new BytesMemory(new Uint8Array(control_msg.size));
    const message = control_msg.at(memory, 0);
    message.type = CMSG_BLKIF_BE;
    message.subtype = subtype;
    message.length = payload.size;
    const view = payload.at(memory, MSG) as View<S>;
    (view as unknown as { domid: number }).domid = this.domid;
    fill(view);
    this.host.xbdback.receive(memory.bytes);
    const status = memory.ld32(MSG + (payload.offset.status as number));
    if (status !== 0) throw new Error(`expected the back end to do ${subtype}, found ${status}`);
  }

  /** The host's back end has the disks. */
  serve(readonly: readonly number[] = []): void {
    this.post(CMSG_BLKIF_BE_CREATE, blkif_be_create);
    for (const vdevice of Object.keys(this.disks).map(Number)) {
      this.plug(vdevice, readonly.includes(vdevice));
    }
  }

  /** One disk more. */
  plug(vdevice: number, readonly = false): void {
    const disk = this.disks[vdevice] as MemoryDisk;
    const target = `hand/${vdevice}`;
    this.host.disks.set(target, disk);
    const device = this.host.xbdback.loop.attach(target, 'w');
    this.post(CMSG_BLKIF_BE_VBD_CREATE, blkif_be_vbd_create, (view) => {
      view.vdevice = vdevice;
      view.readonly = readonly ? 1 : 0;
    });
    this.post(CMSG_BLKIF_BE_VBD_GROW, blkif_be_vbd_grow, (view) => {
      view.vdevice = vdevice;
      view.extent.device = device;
      view.extent.sector_length = disk.bytes.length / 512;
    });
  }

  unplug(vdevice: number): void {
    this.post(CMSG_BLKIF_BE_VBD_DESTROY, blkif_be_vbd_destroy, (view) => {
      view.vdevice = vdevice;
    });
  }

  /** INTERFACE_STATUS. */
  tell(
    status: number,
    port = 0,
    handle = 0,
    length: number = blkif_fe_interface_status.size,
  ): void {
    this.call('probe_tell', status, port, handle, length);
  }

  /** Waits for the driver to send a message, and answers it. @returns its subtype */
  answer(error = 0): number {
    for (let i = 0; ; i++) {
      const subtype = this.call('probe_asked');
      if (subtype >= 0) {
        this.call('probe_answer', error);
        return subtype;
      }
      if (i === 2000) throw new Error(`expected the driver to send a message\n${this.console}`);
      this.host.runFor(1e6);
    }
  }

  #expect(subtype: number): void {
    const found = this.answer();
    if (found !== subtype) throw new Error(`expected message ${subtype}, found ${found}`);
  }

  /** DISCONNECTED, and the driver's INTERFACE_CONNECT. @returns the frame of its ring */
  disconnect(): number {
    this.tell(BLKIF_INTERFACE_STATUS_DISCONNECTED);
    this.host.runFor(1e6);
    const frame = this.call('probe_asked_frame');
    this.#expect(CMSG_BLKIF_FE_INTERFACE_CONNECT);
    return frame;
  }

  /** The back end has the ring. @returns the guest's port */
  connectRing(frame: number): number {
    const port = this.host.hv.dom0.allocUnbound(this.domid, 0);
    this.post(CMSG_BLKIF_BE_CONNECT, blkif_be_connect, (view) => {
      view.shmem_frame = frame;
      view.evtchn = port;
    });
    return port;
  }

  letRingGo(): void {
    this.post(CMSG_BLKIF_BE_DISCONNECT, blkif_be_create);
  }

  /** From DRIVER_STATUS to the disks' being connected, if there are any. */
  join(): void {
    this.#expect(CMSG_BLKIF_FE_DRIVER_STATUS);
    const frame = this.disconnect();
    this.tell(BLKIF_INTERFACE_STATUS_CONNECTED, this.connectRing(frame));
    this.host.runFor(1e6);
  }

  /** Saves and restores on the next host. @param disks that the host has; undefined: the same */
  moveTo(disks: Disks = this.disks, readonly: readonly number[] = []): void {
    const image = this.save();
    this.disks = disks;
    this.restore(image, { host: hostOfSlot(this.host.hv.slot + 1) });
    this.serve(readonly);
  }
}
