/*
 * The same thing again and again, to an idle guest with two disks and a network interface: whatever is counted, in the hosts'
 * books and in the guest's own, is the same each time.
 */

import { GTF_type_mask } from '@port-xen/abi';
import { ctrl_if_data } from '@port-xen/ctrl-if';
import { evtchn_data, NEVTSOURCE } from '@port-xen/evtchn';
import { Autoconf, type Cpu } from '@port-xen/kern';
import type { Memory } from '@port-xen/layout';
import { uvm_data } from '@port-xen/uvm';
import { xbd_data } from '@port-xen/xbd';
import { xenbus_data } from '@port-xen/xenbus';
import { xengnt_data } from '@port-xen/xengnt';
import { netif_data } from '@port-xen/xennet';
import { createHost, type MemoryDisk, memoryDisk, type TestHost } from '@tooling/testbed';
import { slotPlan } from '../../src/host-options.ts';
import type { HuntedKernel } from './hunted-kernel.ts';
import { KernelMemory } from './kernel-memory.ts';

export type Cycle = 'save and restore' | 'fast cancel' | 'slow cancel';
export const CYCLES: readonly Cycle[] = ['save and restore', 'fast cancel', 'slow cancel'];

const MEMORY_MIB = 8;
const HOST_MIB = 16;
/** What an xbd has when it serves. */
const XBD_CONNECTED = 1;
/** And a network interface. */
const NETIF_CONNECTED = 2;
const DISK_BYTES = 2 ** 20;
const VIF = { back: 'backend/vif', front: 'device/vif', devid: 0 };
const VBDS = [51712, 51728].map((devid) => ({ back: 'backend/vbd', front: 'device/vbd', devid }));

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** What a guest of Xen 3 has in use of the store and of the grant table. */
const countXen3 = (kernel: HuntedKernel, host: TestHost, domid: number, memory: Memory) => {
  const domain = host.hv.domains.get(domid);
  const { watches } = xenbus_data.at(memory, kernel.dataOf('xenbus'));
  let granted = 0;
  for (let ref = 0; ; ref++) {
    const entry = domain?.grants.addressOf(ref) ?? -1;
    if (entry < 0) break;
    if ((host.hv.memory.ld16(entry) & GTF_type_mask) !== 0) granted++;
  }
  return {
    granted,
    references: xengnt_data.at(memory, kernel.dataOf('xengnt')).used,
    watches: numbers(watches.length).filter((i) => watches.at(i).w_used !== 0).length,
  };
};

/** What a guest of Xen 2 has in use of the controller interface. */
const countXen2 = (kernel: HuntedKernel, memory: Memory) => {
  const d = ctrl_if_data.at(memory, kernel.dataOf('ctrlIf'));
  const { ctrl_if_txmsg_id_mapping: sent, ctrl_if_rxmsg: received } = d;
  return {
    ids: numbers(sent.length).filter((i) => sent.at(i).tm_used !== 0).length,
    requests: numbers(received.length).filter((i) => received.at(i).rm_state !== 0).length,
  };
};

/** What a guest has in use, as its own tables say and Xen's. */
const countGuest = (kernel: HuntedKernel, host: TestHost, domid: number) => {
  const memory = new KernelMemory(host, domid);
  const { sources } = evtchn_data.at(memory, kernel.dataOf('evtchn'));
  const cpu = { memory } as unknown as Cpu;
  return {
    ...(kernel.interface === 'xen-2.0'
      ? countXen2(kernel, memory)
      : countXen3(kernel, host, domid, memory)),
    handlers: numbers(NEVTSOURCE).filter((i) => sources.at(i).ev_func !== 0).length,
    devices: new Autoconf(cpu, kernel.dataOf('autoconf'), undefined as never).devices().length,
    pages: uvm_data.at(memory, kernel.dataOf('uvm')).pages.used,
  };
};

/** Whether every device is connected: at both ends, or as the guest's own drivers say. */
const isConnected = (kernel: HuntedKernel, host: TestHost, domid: number): boolean => {
  if (kernel.interface === 'xen-2.0') {
    const memory = new KernelMemory(host, domid);
    const { softcs } = xbd_data.at(memory, kernel.dataOf('xbd'));
    const nic = netif_data.at(memory, kernel.dataOf('xennet')).softcs.at(0);
    return (
      nic.nt_status === NETIF_CONNECTED &&
      VBDS.every((_, unit) => softcs.at(unit).sc_backend_status === XBD_CONNECTED)
    );
  }
  return [VIF, ...VBDS].every(
    ({ back, front, devid }) =>
      host.store.tryRead(`/local/domain/0/${back}/${domid}/${devid}/state`) === '4' &&
      host.store.tryRead(`/local/domain/${domid}/${front}/${devid}/state`) === '4',
  );
};

/** One guest, gone through the same cycle over and over. */
export class Cycler {
  readonly #kernel: HuntedKernel;
  readonly #disks: Readonly<Record<string, MemoryDisk>> = {
    xvda: memoryDisk(DISK_BYTES),
    xvdb: memoryDisk(DISK_BYTES),
  };
  #host: TestHost;
  #domid: number;
  #empty: string;
  /** Different countings that were seen, each with the number of cycles before it. */
  readonly seen = new Map<string, number>();
  /** What is wrong, a sentence each. */
  readonly faults: string[] = [];
  cycles = 0;

  constructor(kernel: HuntedKernel) {
    this.#kernel = kernel;
    this.#host = createHost({ mib: HOST_MIB, interface: kernel.interface });
    this.#empty = JSON.stringify(this.#host.conservation());
    this.#domid = this.#host.bootKernel({
      elf: kernel.elf,
      engine: kernel.engine,
      memoryMib: MEMORY_MIB,
      disks: this.#disks,
      nics: ['00:16:3e:00:00:01'],
      cmdline: 'init=sleep 1000000',
    });
    this.#host.runUntil('its devices', () => isConnected(kernel, this.#host, this.#domid));
    this.#count();
  }

  /** Counts all there is. */
  #count(): void {
    const host = this.#host;
    // Some ticks, so that nothing is under way.
    host.runFor(50e6);
    const counted = {
      ...host.conservation(),
      guest: countGuest(this.#kernel, host, this.#domid),
    };
    const text = JSON.stringify(counted);
    if (!this.seen.has(text)) this.seen.set(text, this.cycles);
    this.faults.push(...host.audit());
  }

  /** Once more. */
  turn(cycle: Cycle): void {
    if (cycle === 'save and restore') this.#move();
    else {
      const resume = cycle === 'fast cancel' ? 'cooperative' : 'reset';
      this.#host.saveToBytes(this.#domid, { checkpoint: true, resume });
    }
    const host = this.#host;
    host.runUntil('its devices', () => isConnected(this.#kernel, host, this.#domid));
    this.cycles++;
    this.#count();
  }

  #move(): void {
    const image = this.#host.saveToBytes(this.#domid);
    const found = JSON.stringify(this.#host.conservation());
    if (found !== this.#empty) {
      this.faults.push(`expected ${this.#empty} where the guest was, found ${found}`);
    }
    this.faults.push(...this.#host.audit());
    const { interface: xen } = this.#kernel;
    const slot = (this.#host.hv.slot + 1) % slotPlan(xen).slots;
    this.#host = createHost({ mib: HOST_MIB, slot, interface: xen, seed: this.cycles });
    this.#empty = JSON.stringify(this.#host.conservation());
    const { engine } = this.#kernel;
    this.#domid = this.#host.restoreFromBytes(image, engine, { disks: this.#disks });
  }
}
