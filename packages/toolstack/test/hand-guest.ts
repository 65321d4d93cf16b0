/*
 * A guest of a few hypercalls, as an engine: it publishes its P2M, pins a user L4, and then polls. When its test wants it to,
 * it suspends as a kernel must: start_info's MFNs made pfns, shared_info unmapped, start_info's MFN in rdx.
 */
import {
  __HYPERVISOR_mmuext_op,
  __HYPERVISOR_sched_op,
  __HYPERVISOR_update_va_mapping,
  MMUEXT_NEW_USER_BASEPTR,
  MMUEXT_PIN_L4_TABLE,
  mmuext_op,
  SCHEDOP_poll,
  SCHEDOP_shutdown,
  SHUTDOWN_suspend,
  sched_poll,
  shared_info,
  start_info,
} from '@port-xen/abi';
import { ldI64, st64 } from '@port-xen/layout';
import { type Engine, R10, RAX, RDI, RDX, RSI, type Vcpu } from '@port-xen/vcpu';
import { DEFAULT_BASE, handElf, IMAGE_OFFSET } from './hand-elf.ts';

const PAGE = 4096;
const DOMID_SELF = 0x7ff0;

/** Pages of the image's bss, by what they are for. */
const BSS = DEFAULT_BASE + IMAGE_OFFSET + 4 * PAGE;
const ARGS = BSS;
const LIST_LIST = BSS + PAGE;
const LIST = BSS + 2 * PAGE;
const SHARED_INFO = BSS + 3 * PAGE;
export const USER_L4: number = BSS + 4 * PAGE;
const PATTERN = BSS + 5 * PAGE;
const BSS_BYTES = 16 * PAGE;

export const GUEST_ELF: Uint8Array = handElf({ bssBytes: BSS_BYTES });

/** The pfn of an address that the boot page tables map. */
export const pfnOfVa = (va: number): number => (va - DEFAULT_BASE) / PAGE;

export class HandGuest implements Engine {
  /** What the guest is to do when it runs next. */
  wish: 'poll' | 'suspend' | 'reboot' = 'poll';
  /** It leaves shared_info mapped, as a guest must not. */
  careless = false;
  #started = false;
  #startInfo = 0;
  /** What its suspend hypercalls returned. */
  readonly suspendResults: number[] = [];
  #suspended = false;

  run(vcpu: Vcpu): void {
    if (this.#suspended) {
      this.#suspended = false;
      this.suspendResults.push(vcpu.registers.get(RAX));
      this.wish = 'poll';
      this.#resumed(vcpu);
    }
    if (!this.#started) this.#start(vcpu);
    if (this.wish === 'suspend') this.#suspend(vcpu);
    else if (this.wish === 'reboot') {
      vcpu.memory.st32(ARGS, 1);
      this.#hypercall(vcpu, __HYPERVISOR_sched_op, SCHEDOP_shutdown, ARGS);
    } else this.#poll(vcpu);
  }

  /** The engine of a restored domain: the guest is where it suspended. */
  static restored(from: HandGuest): HandGuest {
    const guest = new HandGuest();
    guest.#started = true;
    guest.#startInfo = from.#startInfo;
    guest.#suspended = true;
    return guest;
  }

  #hypercall(vcpu: Vcpu, nr: number, ...args: number[]): number {
    vcpu.registers.set(RAX, nr);
    for (const [i, register] of [RDI, RSI, RDX, R10].entries()) {
      vcpu.registers.set(register, args[i] ?? 0);
    }
    vcpu.spend(1000);
    vcpu.syscall();
    return vcpu.registers.get(RAX);
  }

  #ok(vcpu: Vcpu, nr: number, ...args: number[]): void {
    const result = this.#hypercall(vcpu, nr, ...args);
    if (result !== 0) throw new Error(`hypercall ${nr}(${args.join(', ')}) gave ${result}`);
  }

  #mfnOf(vcpu: Vcpu, va: number): number {
    const list = start_info.at(vcpu.memory, this.#startInfo).mfn_list;
    const signed = list >= 2 ** 63 ? list - 2 ** 64 : list;
    return ldI64(vcpu.memory, signed + pfnOfVa(va) * 8);
  }

  #map(vcpu: Vcpu, va: number, pte: number): void {
    this.#ok(vcpu, __HYPERVISOR_update_va_mapping, va, pte, 2);
  }

  #start(vcpu: Vcpu): void {
    this.#started = true;
    this.#startInfo = vcpu.registers.get(RSI);
    const info = start_info.at(vcpu.memory, this.#startInfo);
    this.#map(vcpu, SHARED_INFO, info.shared_info + 3);
    this.#publish(vcpu);
    for (let i = 0; i < PAGE; i += 4) vcpu.memory.st32(PATTERN + i, i * 2654435761);
    const mfn = this.#mfnOf(vcpu, USER_L4);
    this.#map(vcpu, USER_L4, mfn * PAGE + 1);
    for (const cmd of [MMUEXT_PIN_L4_TABLE, MMUEXT_NEW_USER_BASEPTR]) {
      vcpu.memory.write(ARGS, new Uint8Array(mmuext_op.size));
      const op = mmuext_op.at(vcpu.memory, ARGS);
      op.cmd = cmd;
      op.arg1.mfn = mfn;
      this.#ok(vcpu, __HYPERVISOR_mmuext_op, ARGS, 1, 0, DOMID_SELF);
    }
  }

  /** The tree of frame lists, from the list that the domain builder left. */
  #publish(vcpu: Vcpu): void {
    const { memory } = vcpu;
    const info = start_info.at(memory, this.#startInfo);
    const list = info.mfn_list >= 2 ** 63 ? info.mfn_list - 2 ** 64 : info.mfn_list;
    for (let i = 0; i * 512 < info.nr_pages; i++) {
      st64(memory, LIST + i * 8, this.#mfnOf(vcpu, list + i * PAGE));
    }
    st64(memory, LIST_LIST, this.#mfnOf(vcpu, LIST));
    const { arch } = shared_info.at(memory, SHARED_INFO);
    arch.max_pfn = info.nr_pages;
    arch.pfn_to_mfn_frame_list_list = this.#mfnOf(vcpu, LIST_LIST);
  }

  #poll(vcpu: Vcpu): void {
    const poll = sched_poll.at(vcpu.memory, ARGS);
    poll.ports = 0;
    poll.nr_ports = 0;
    const time = shared_info.at(vcpu.memory, SHARED_INFO).vcpu_info.at(0).time;
    poll.timeout = time.system_time + 10_000_000_000;
    this.#hypercall(vcpu, __HYPERVISOR_sched_op, SCHEDOP_poll, ARGS);
  }

  #suspend(vcpu: Vcpu): void {
    const info = start_info.at(vcpu.memory, this.#startInfo);
    const m2p = (mfn: number): number => ldI64(vcpu.memory, -0x8000_0000_0000 + mfn * 8);
    info.store_mfn = m2p(info.store_mfn);
    info.console.domU.mfn = m2p(info.console.domU.mfn);
    if (!this.careless) this.#map(vcpu, SHARED_INFO, 0);
    vcpu.memory.st32(ARGS, SHUTDOWN_suspend);
    this.#suspended = true;
    const mfn = this.#mfnOf(vcpu, this.#startInfo);
    this.#hypercall(vcpu, __HYPERVISOR_sched_op, SCHEDOP_shutdown, ARGS, mfn);
  }

  /** Returned from the hypercall: 1 on the same host, 0 in another life. */
  #resumed(vcpu: Vcpu): void {
    const info = start_info.at(vcpu.memory, this.#startInfo);
    if (this.suspendResults.at(-1) === 1) {
      const list = info.mfn_list >= 2 ** 63 ? info.mfn_list - 2 ** 64 : info.mfn_list;
      info.store_mfn = ldI64(vcpu.memory, list + info.store_mfn * 8);
      info.console.domU.mfn = ldI64(vcpu.memory, list + info.console.domU.mfn * 8);
    }
    if (!this.careless) this.#map(vcpu, SHARED_INFO, info.shared_info + 3);
    this.#publish(vcpu);
  }
}
