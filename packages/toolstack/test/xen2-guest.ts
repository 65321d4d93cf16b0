/*
 * A guest of Xen 2's interface, of a few hypercalls, as an engine: it publishes its frame list, masks its ports and then polls. When its test
 * wants it to, it suspends: shared_info unmapped, start_info's MFN in rdx. And a controller that notes what it is told.
 */
import {
  __HYPERVISOR_sched_op,
  __HYPERVISOR_update_va_mapping,
  CONTROL_IF_OFFSET,
  SCHEDOP_poll,
  SCHEDOP_shutdown,
  SHUTDOWN_suspend,
  sched_poll,
  xen2_shared_info,
  xen2_start_info,
} from '@port-xen/abi';
import { cString, ldI64, st64, type View } from '@port-xen/layout';
import { type Engine, R10, RAX, RDI, RDX, RSI, type Vcpu } from '@port-xen/vcpu';
import type { DomainController } from '../src/domain-controller.ts';
import { DEFAULT_BASE, handElf, IMAGE_OFFSET } from './hand-elf.ts';
import { pfnOfVa } from './hand-guest.ts';

const PAGE = 4096;
const BSS = DEFAULT_BASE + IMAGE_OFFSET + 4 * PAGE;
const ARGS = BSS;
const LIST = BSS + PAGE;
export const SHARED_INFO: number = BSS + 2 * PAGE;
export const PATTERN: number = BSS + 3 * PAGE;

export const XEN2_ELF: Uint8Array = handElf({
  bssBytes: 16 * PAGE,
  extraNotes: [[5, cString('xen-2.0')]],
});

export class Xen2Guest implements Engine {
  /** What the guest is to do when it runs next. */
  wish: 'poll' | 'suspend' | 'poweroff' = 'poll';
  /** Before it suspends it does this to its pages, as a guest must not. */
  mischief: (guest: Xen2Guest, vcpu: Vcpu) => void = () => {};
  /** The frame that it says start_info is in, if not the right one. */
  named: number | undefined;
  /** What its suspend hypercalls returned. */
  readonly suspendResults: number[] = [];
  /** Its control interface when it had come back. */
  controlArea: Uint8Array = new Uint8Array(0);
  /** And the port that start_info had. */
  port = 0;
  startInfo = 0;
  /** The list of the P2M's frames, and the P2M: virtual addresses. */
  readonly list = LIST;
  #started = false;
  #suspended = false;

  run(vcpu: Vcpu): void {
    if (this.#suspended) {
      this.#suspended = false;
      this.suspendResults.push(vcpu.registers.get(RAX));
      this.wish = 'poll';
      this.#mapSharedInfo(vcpu);
      this.controlArea = new Uint8Array(PAGE - CONTROL_IF_OFFSET);
      vcpu.memory.read(SHARED_INFO + CONTROL_IF_OFFSET, this.controlArea);
      this.port = this.info(vcpu).domain_controller_evtchn;
      this.publish(vcpu);
    }
    if (!this.#started) this.#start(vcpu);
    if (this.wish === 'poll') this.#poll(vcpu);
    else this.#shutDown(vcpu, this.wish);
  }

  /** The engine of a restored domain: the guest is where it suspended. */
  static restored(from: Xen2Guest): Xen2Guest {
    const guest = new Xen2Guest();
    guest.#started = true;
    guest.#suspended = true;
    guest.startInfo = from.startInfo;
    return guest;
  }

  info(vcpu: Vcpu): View<typeof xen2_start_info> {
    return xen2_start_info.at(vcpu.memory, this.startInfo);
  }

  mfnOf(vcpu: Vcpu, va: number): number {
    return ldI64(vcpu.memory, this.info(vcpu).mfn_list + pfnOfVa(va) * 8);
  }

  /** Stores where a suspended guest keeps it. */
  publish(vcpu: Vcpu): void {
    const { memory } = vcpu;
    const { mfn_list, nr_pages } = this.info(vcpu);
    const leaves = Math.ceil(nr_pages / 512);
    for (let i = 0; i < leaves; i++) {
      st64(memory, LIST + i * 8, this.mfnOf(vcpu, mfn_list + i * PAGE));
    }
    xen2_shared_info.at(memory, SHARED_INFO).arch.pfn_to_mfn_frame_list = this.mfnOf(vcpu, LIST);
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

  #mapSharedInfo(vcpu: Vcpu): void {
    const pte = this.info(vcpu).shared_info + 3;
    const rc = this.#hypercall(vcpu, __HYPERVISOR_update_va_mapping, SHARED_INFO, pte, 2);
    if (rc !== 0) throw new Error(`shared_info cannot be mapped: ${rc}`);
  }

  #start(vcpu: Vcpu): void {
    this.#started = true;
    this.startInfo = vcpu.registers.get(RSI);
    this.#mapSharedInfo(vcpu);
    this.publish(vcpu);
    for (let i = 0; i < PAGE; i += 4) vcpu.memory.st32(PATTERN + i, i * 2654435761);
  }

  #poll(vcpu: Vcpu): void {
    const poll = sched_poll.at(vcpu.memory, ARGS);
    poll.ports = 0;
    poll.nr_ports = 0;
    const { system_time } = xen2_shared_info.at(vcpu.memory, SHARED_INFO);
    poll.timeout = system_time + 10_000_000_000;
    this.#hypercall(vcpu, __HYPERVISOR_sched_op, SCHEDOP_poll, ARGS);
  }

  #shutDown(vcpu: Vcpu, how: 'suspend' | 'poweroff'): void {
    const mfn = this.named ?? this.mfnOf(vcpu, this.startInfo);
    if (how === 'suspend') {
      this.mischief(this, vcpu);
      this.#suspended = true;
      this.#hypercall(vcpu, __HYPERVISOR_update_va_mapping, SHARED_INFO, 0, 2);
    }
    vcpu.memory.st32(ARGS, how === 'suspend' ? SHUTDOWN_suspend : 0);
    this.#hypercall(vcpu, __HYPERVISOR_sched_op, SCHEDOP_shutdown, ARGS, mfn);
  }
}

/** A controller that notes what it is told; the guest's answers are its test's to give. */
export class NotedController implements DomainController {
  readonly told: string[] = [];
  /** Answers the shutdown request that was made last. */
  answer: (error: Error | null) => void = () => {};

  connect: DomainController['connect'] = (domid, { port }, { disks }) =>
    this.told.push(`connect ${domid} port ${port} disks ${disks.map(({ vdev }) => vdev)}`);

  resume(domid: number): void {
    this.told.push(`resume ${domid}`);
  }

  disconnect(domid: number): void {
    this.told.push(`disconnect ${domid}`);
  }

  attachDisk: DomainController['attachDisk'] = (domid, { vdev }) =>
    this.told.push(`attach ${domid} ${vdev}`);

  detachDisk: DomainController['detachDisk'] = (domid, vdev, done) => {
    this.told.push(`detach ${domid} ${vdev}`);
    this.answer = done;
  };

  sysrq: DomainController['sysrq'] = (domid, key, done) => {
    this.told.push(`sysrq ${domid} ${key}`);
    this.answer = done;
  };

  setMemory: DomainController['setMemory'] = (domid, pages, done) => {
    this.told.push(`memory ${domid} ${pages}`);
    this.answer = done;
  };

  shutdown: DomainController['shutdown'] = (domid, how, done) => {
    this.told.push(`shutdown ${domid} ${how}`);
    this.answer = done;
  };
}
