/*
 * The device tree (autoconf(9)), a table in attach order, and how many devices are still being configured.
 *
 * Depths on a domU: mainbus0 0, hypervisor0 1, {vcpu0, xenbus0, xencons0} 2, {xbdN, …} 3.
 */
import { array, bytes, cString, i64, struct, textOf, u32, type View } from '@port-xen/layout';
import type { Cpu } from './cpu.ts';
import { kassert } from './panic.ts';
import type { Sched } from './sched.ts';

export const NDEVICE = 32;

export const DVF_ACTIVE = 1;
/** Has told pmf how it is suspended and resumed. */
export const DVF_PMF = 2;
export const DVF_IN_USE = 4;

export const device = struct('device', {
  dv_flags: u32,
  dv_depth: u32,
  dv_xname: bytes(16),
  dv_parent: i64,
  dv_private: i64,
  /** Text(dv_private) → 1, or 0 when refused. Address 0: nothing to do. */
  dv_driver_suspend: i64,
  /** Text(dv_private, cancelled) → 1, or 0 when it failed; cancelled is 1 when the domain never left. */
  dv_driver_resume: i64,
});

export type Device = View<typeof device>;

export const autoconf_data = struct('autoconf_data', {
  config_pending: u32,
  ndevices: u32,
  alldevs: array(device, NDEVICE),
});

export class Autoconf {
  readonly cpu: Cpu;
  readonly data: number;
  readonly sched: Sched;

  constructor(cpu: Cpu, data: number, sched: Sched) {
    this.cpu = cpu;
    this.data = data;
    this.sched = sched;
  }

  get d(): View<typeof autoconf_data> {
    return autoconf_data.at(this.cpu.memory, this.data);
  }

  at(address: number): Device {
    return device.at(this.cpu.memory, address);
  }

  /** config_attach(9). @param parent the parent's address, 0 for the root */
  attach(name: string, parent: number, softc: number): Device {
    const d = this.d;
    kassert(d.ndevices < NDEVICE, `expected at most ${NDEVICE} devices`);
    const dv = d.alldevs.at(d.ndevices++);
    dv.dv_flags = DVF_IN_USE | DVF_ACTIVE;
    dv.dv_xname = cString(name);
    dv.dv_parent = parent;
    dv.dv_depth = parent === 0 ? 0 : this.at(parent).dv_depth + 1;
    dv.dv_private = softc;
    return dv;
  }

  /** config_detach(9): the place in the table is left empty, so that attach order stays. */
  detach(address: number): void {
    this.at(address).dv_flags = 0;
  }

  /** pmf_device_register(9). */
  pmfRegister(dv: Device, suspend: number, resume: number): void {
    dv.dv_driver_suspend = suspend;
    dv.dv_driver_resume = resume;
    dv.dv_flags |= DVF_PMF;
  }

  nameOf(dv: Device): string {
    return textOf(dv.dv_xname);
  }

  /** config_pending_incr(9): boot waits for one more device. */
  pendingIncr(): void {
    this.d.config_pending++;
  }

  /** config_pending_decr(9). */
  pendingDecr(): void {
    const d = this.d;
    if (--d.config_pending === 0) this.sched.wakeup(this.data);
  }

  /** Devices in use, in attach order. */
  devices(): Device[] {
    const d = this.d;
    const all: Device[] = [];
    for (let i = 0; i < d.ndevices; i++) {
      const dv = d.alldevs.at(i);
      if ((dv.dv_flags & DVF_IN_USE) !== 0) all.push(dv);
    }
    return all;
  }
}
