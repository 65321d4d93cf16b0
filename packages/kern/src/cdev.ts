/*
 * Character devices (cdevsw): a table in memory of names and of the text that opens, reads and writes them.
 */
import { array, bytes, cString, i64, struct, textOf, u32, type View } from '@port-xen/layout';
import type { Cpu } from './cpu.ts';
import { kassert } from './panic.ts';

const NCDEV = 26;

export const cdev = struct('cdev', {
  d_name: bytes(16),
  d_softc: i64,
  /** Leaf(softc, flags of open(2)) → 0 or an errno; 0: it can always be opened. */
  d_open: i64,
  /** Text(softc, offset, address, length, the file's flags) → bytes or -errno; 0: ENODEV. Offsets and lengths are bytes. */
  d_read: i64,
  d_write: i64,
  /** Leaf(softc) → bytes; 0: not a device with a size. */
  d_size: i64,
  /** Text(softc) → 0 or -errno: everything written is on the medium. 0: nothing is ever cached. */
  d_sync: i64,
  /** Leaf(softc): the last descriptor is given up, by close(2) or by the end of its process; 0: nothing has to be done. */
  d_close: i64,
  /** The kernel itself uses the device: its entry is not used for another. */
  d_held: u32,
});

export const cdev_data = struct('cdev_data', { table: array(cdev, NCDEV) });

export class Cdevsw {
  readonly cpu: Cpu;
  readonly data: number;

  constructor(cpu: Cpu, data: number) {
    this.cpu = cpu;
    this.data = data;
  }

  get #d(): View<typeof cdev_data> {
    return cdev_data.at(this.cpu.memory, this.data);
  }

  at(address: number): View<typeof cdev> {
    return cdev.at(this.cpu.memory, address);
  }

  /** Adds a device; `/dev/NAME` opens it. */
  attach(
    name: string,
    softc: number,
    text: { open?: number; read?: number; write?: number; size?: number; sync?: number },
  ): void {
    const dev = this.#free();
    dev.d_name = cString(name);
    dev.d_softc = softc;
    dev.d_open = text.open ?? 0;
    dev.d_read = text.read ?? 0;
    dev.d_write = text.write ?? 0;
    dev.d_size = text.size ?? 0;
    dev.d_sync = text.sync ?? 0;
    dev.d_close = 0;
  }

  /** cdev_open. @param flags open(2)'s @returns 0 or an errno */
  open(address: number, flags: number): number {
    const dev = this.at(address);
    return dev.d_open === 0 ? 0 : this.cpu.call(dev.d_open, dev.d_softc, flags);
  }

  #free(): View<typeof cdev> {
    const { table } = this.#d;
    for (let i = 0; i < NCDEV; i++) {
      const dev = table.at(i);
      if (textOf(dev.d_name) === '' && dev.d_held === 0) return dev;
    }
    kassert(false, `expected at most ${NCDEV} character devices`);
  }

  /** Takes a device's name away. Its entry, which programs may have open, stays until it is used for another. */
  detach(name: string): void {
    const address = this.lookup(name);
    if (address !== 0) this.at(address).d_name = new Uint8Array(16);
  }

  /** @returns the address of the device's entry, 0 when there is none of that name */
  lookup(name: string): number {
    const { table } = this.#d;
    for (let i = 0; i < NCDEV; i++) {
      const dev = table.at(i);
      if (textOf(dev.d_name) === name) return dev.address;
    }
    return 0;
  }
}
