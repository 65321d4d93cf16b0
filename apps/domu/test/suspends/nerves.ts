/*
 * Where a test touches a running guest of the hunted kernel: the handlers of its devices and of its watch on control/shutdown.
 */
import { Autoconf, type Cpu, type Device } from '@port-xen/kern';
import { textOf } from '@port-xen/layout';
import { xenbus_data } from '@port-xen/xenbus';
import type { TestHost } from '@tooling/testbed';
import { type HuntedKernel, hunted_data } from './hunted-kernel.ts';
import { KernelMemory } from './kernel-memory.ts';

export class Nerves {
  readonly #kernel: HuntedKernel;
  readonly #memory: KernelMemory;
  readonly #autoconf: Autoconf;

  constructor(kernel: HuntedKernel, host: TestHost, domid: number) {
    this.#kernel = kernel;
    this.#memory = new KernelMemory(host, domid);
    // The table is all that is looked at.
    const cpu = { memory: this.#memory } as unknown as Cpu;
    this.#autoconf = new Autoconf(cpu, kernel.dataOf('autoconf'), undefined as never);
  }

  /** The kernel's devices, in attach order. */
  devices(): Device[] {
    return this.#autoconf.devices();
  }

  nameOf(device: Device): string {
    return this.#autoconf.nameOf(device);
  }

  /** Has a device refuse to be suspended. @returns has it as it was */
  refuse(device: Device): () => void {
    const original = device.dv_driver_suspend;
    device.dv_driver_suspend = this.#kernel.sym('hunted_refuse');
    return () => {
      device.dv_driver_suspend = original;
    };
  }

  /** Has a device take its time over a suspend. @returns has it come to an end */
  dawdle(device: Device): () => void {
    const data = hunted_data.at(this.#memory, this.#kernel.dataOf('hunted'));
    const original = device.dv_driver_suspend;
    data.original = original;
    data.held = 1;
    device.dv_driver_suspend = this.#kernel.sym('hunted_dawdle');
    return () => {
      device.dv_driver_suspend = original;
      data.held = 0;
    };
  }

  /** Has the kernel overlook what control/shutdown says. @returns has it as it was */
  overlook(): () => void {
    const { watches } = xenbus_data.at(this.#memory, this.#kernel.dataOf('xenbus'));
    for (let i = 0; i < watches.length; i++) {
      const watch = watches.at(i);
      if (watch.w_used === 0 || textOf(watch.w_node) !== 'control/shutdown') continue;
      const original = watch.w_func;
      watch.w_func = this.#kernel.sym('hunted_overlook');
      return () => {
        watch.w_func = original;
      };
    }
    throw new Error('expected a watch on control/shutdown, found none');
  }
}
