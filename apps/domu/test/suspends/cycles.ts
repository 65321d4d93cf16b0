/*
 * The same thing again and again, to an idle guest with two disks and a network interface: whatever is counted, in the hosts'
 * books and in the guest's own, is the same each time.
 */

import { GTF_type_mask } from '@port-xen/abi';
import { evtchn_data, NEVTSOURCE } from '@port-xen/evtchn';
import { Autoconf, type Cpu } from '@port-xen/kern';
import { uvm_data } from '@port-xen/uvm';
import { xenbus_data } from '@port-xen/xenbus';
import { xengnt_data } from '@port-xen/xengnt';
import { createHost, type MemoryDisk, memoryDisk, type TestHost } from '@tooling/testbed';
import type { HuntedKernel } from './hunted-kernel.ts';
import { KernelMemory } from './kernel-memory.ts';

export type Cycle = 'save and restore' | 'fast cancel' | 'slow cancel';
export const CYCLES: readonly Cycle[] = ['save and restore', 'fast cancel', 'slow cancel'];

const MEMORY_MIB = 8;
const HOST_MIB = 16;
const SLOTS = 64;
const DISK_BYTES = 2 ** 20;
const VIF = { back: 'backend/vif', front: 'device/vif', devid: 0 };
const VBDS = [51712, 51728].map((devid) => ({ back: 'backend/vbd', front: 'device/vbd', devid }));

/** What a guest has in use, as its own tables say and its grant table. */
const countGuest = (kernel: HuntedKernel, host: TestHost, domid: number) => {
  const domain = host.hv.domains.get(domid);
  const memory = new KernelMemory(host, domid);
  const { sources } = evtchn_data.at(memory, kernel.dataOf('evtchn'));
  const { watches } = xenbus_data.at(memory, kernel.dataOf('xenbus'));
  let granted = 0;
  for (let ref = 0; ; ref++) {
    const entry = domain?.grants.addressOf(ref) ?? -1;
    if (entry < 0) break;
    if ((host.hv.memory.ld16(entry) & GTF_type_mask) !== 0) granted++;
  }
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
  const cpu = { memory } as unknown as Cpu;
  return {
    granted,
    references: xengnt_data.at(memory, kernel.dataOf('xengnt')).used,
    handlers: numbers(NEVTSOURCE).filter((i) => sources.at(i).ev_func !== 0).length,
    watches: numbers(watches.length).filter((i) => watches.at(i).w_used !== 0).length,
    devices: new Autoconf(cpu, kernel.dataOf('autoconf'), undefined as never).devices().length,
    pages: uvm_data.at(memory, kernel.dataOf('uvm')).pages.used,
  };
};

/** Whether every device is connected at both ends. */
const isConnected = (host: TestHost, domid: number): boolean =>
  [VIF, ...VBDS].every(
    ({ back, front, devid }) =>
      host.store.tryRead(`/local/domain/0/${back}/${domid}/${devid}/state`) === '4' &&
      host.store.tryRead(`/local/domain/${domid}/${front}/${devid}/state`) === '4',
  );

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
    this.#host = createHost({ mib: HOST_MIB });
    this.#empty = JSON.stringify(this.#host.conservation());
    this.#domid = this.#host.bootKernel({
      elf: kernel.elf,
      engine: kernel.engine,
      memoryMib: MEMORY_MIB,
      disks: this.#disks,
      nics: ['00:16:3e:00:00:01'],
      cmdline: 'init=sleep 1000000',
    });
    this.#host.runUntil('its devices', () => isConnected(this.#host, this.#domid));
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
    host.runUntil('its devices', () => isConnected(host, this.#domid));
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
    const slot = (this.#host.hv.slot + 1) % SLOTS;
    this.#host = createHost({ mib: HOST_MIB, slot, seed: this.cycles });
    this.#empty = JSON.stringify(this.#host.conservation());
    const { engine } = this.#kernel;
    this.#domid = this.#host.restoreFromBytes(image, engine, { disks: this.#disks });
  }
}
