/*
 * The devices that xenstore has for this domain (xenbus_probe.c), a table. A device outlives a restore, its back end's path
 * does not.
 */
import type { Cpu } from '@port-xen/kern';
import { textOf, type View } from '@port-xen/layout';
import { latin1 } from './guest-string.ts';
import { NXENBUSDEV, xenbus_data, xenbus_device } from './xenbus-data.ts';

export type XenbusDevice = View<typeof xenbus_device>;

export class Devices {
  readonly cpu: Cpu;
  readonly data: number;

  constructor(cpu: Cpu, data: number) {
    this.cpu = cpu;
    this.data = data;
  }

  get #d(): View<typeof xenbus_data> {
    return xenbus_data.at(this.cpu.memory, this.data);
  }

  at(address: number): XenbusDevice {
    return xenbus_device.at(this.cpu.memory, address);
  }

  /** The device at a place of the table; undefined when there is none. */
  atIndex(index: number): XenbusDevice | undefined {
    const dev = this.#d.devices.at(index);
    return dev.xbusd_used === 0 ? undefined : dev;
  }

  /** Whether a path has a device already. */
  isKnown(path: string): boolean {
    for (let i = 0; i < NXENBUSDEV; i++) {
      const dev = this.atIndex(i);
      if (dev !== undefined && this.pathOf(dev) === path) return true;
    }
    return false;
  }

  /** @returns undefined when there is no room */
  create(driver: number, id: number, path: string): XenbusDevice | undefined {
    const { devices } = this.#d;
    for (let i = 0; i < NXENBUSDEV; i++) {
      const dev = devices.at(i);
      if (dev.xbusd_used !== 0) continue;
      this.cpu.memory.write(dev.address, new Uint8Array(xenbus_device.size));
      dev.xbusd_used = 1;
      dev.xbusd_driver = driver;
      dev.xbusd_id = id;
      dev.xbusd_path = latin1(path);
      return dev;
    }
    return undefined;
  }

  pathOf(dev: XenbusDevice): string {
    return textOf(dev.xbusd_path);
  }

  /** The back end's directory; '' when this host has none. */
  otherendOf(dev: XenbusDevice): string {
    return textOf(dev.xbusd_otherend);
  }

  setOtherend(dev: XenbusDevice, path: string, id: number): void {
    dev.xbusd_otherend = latin1(path);
    dev.xbusd_otherend_id = id;
  }
}
