/*
 * A vCPU: registers, its view of memory, what it registered with Xen (guest-context.ts), and whether it runs.
 *
 *     offline ──up, unpaused──► in line for a processor ──► runs a slice ──► in line again
 *                                     ▲                          │ SCHEDOP_block, poll
 *                                     └────── an event, ◄──── blocked
 *                                             a polled port, a timeout
 *
 * A slice is one event of the world: at most 1 ms, and never beyond the next event or the next tick. On the way into the guest what
 * is due is delivered; then the engine runs until its budget is spent or `stop` is set.
 */
import {
  FLAT_KERNEL_CS,
  RUNSTATE_blocked,
  RUNSTATE_offline,
  RUNSTATE_runnable,
  RUNSTATE_running,
  TRAP_gp_fault,
  TRAP_page_fault,
} from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import {
  isCanonicalAddress,
  R11,
  RCX,
  Registers,
  RFLAGS,
  RIP,
  type Tsc,
  type Vcpu,
} from '@port-xen/vcpu';
import type { Domain } from './domain.ts';
import { GuestContext } from './guest-context.ts';
import { hypercall } from './hypercall.ts';
import { ARGUMENT_REGISTERS, HypercallArgs } from './hypercall-args.ts';
import type { MemoryVcpu } from './memory-domain.ts';
import { Mmu } from './mmu.ts';
import { Runstate } from './runstate.ts';
import type { Runner } from './scheduler.ts';
import { bounceSyscall, deliverException } from './trap.ts';
import { VcpuTime } from './vcpu-time.ts';
import { VcpuTimers } from './vcpu-timers.ts';

/** Structs of hypercalls are shorter, but for contexts. */
const ARGUMENT_SIZE = 256;
/** Of the largest frame, the failsafe callback's. */
const FRAME_SIZE = 88;
/** Entries that a long hypercall does before it lets the guest take its events. */
const PATIENCE = 4096;
/** Polling: any port of the domain's. */
const ANY_PORT = -1;
const NOT_POLLING = 0;

export class GuestVcpu extends GuestContext implements Vcpu, MemoryVcpu, Runner {
  readonly id: number;
  readonly domain: Domain;
  readonly registers: Registers = new Registers();
  readonly mmu: Mmu;
  readonly memory: Mmu;
  stop = false;
  initialised = false;
  /** VCPUOP_up. */
  online = false;
  blocked = false;
  /** The address of its last page fault. */
  cr2 = 0;
  nmiPending = false;
  /** It was entered for an NMI and has not left by iret. */
  inNmi = false;

  /** Machine address of its upcall bytes: its vcpu_info, or what Xen 2 has of one. */
  infoAddress: number;
  /** The frame registered for vcpu_info; -1: within shared_info. */
  registeredInfoMfn = -1;
  readonly timers: VcpuTimers;
  readonly time: VcpuTime;
  readonly runstate: Runstate;
  cpuTime_ns = 0;

  /** Arguments of the hypercall that is being made, and of a multicall's entry. */
  readonly args: HypercallArgs = new HypercallArgs();
  readonly entryArgs: HypercallArgs = new HypercallArgs();
  readonly argument: BytesMemory = new BytesMemory(new Uint8Array(ARGUMENT_SIZE));
  readonly word: BytesMemory = new BytesMemory(new Uint8Array(8));
  /** A frame on its way to a stack of the guest's or from one: read or written whole before the next. */
  readonly frame: BytesMemory = new BytesMemory(new Uint8Array(FRAME_SIZE));
  /** A multicall is being made: a continuation is of its entry. */
  inMulticall = false;
  /** Of the entry: what is to be done next. */
  continuation: { readonly nr: number; readonly args: readonly number[] } | undefined;
  #patience = 0;

  #scheduled = false;
  #running = false;
  /** When the slice is over that it has, or was that it had last. */
  #sliceEnd_ns = 0;
  #pollTimer = 0;
  /** NOT_POLLING, ANY_PORT, or the one port. */
  #pollPort = NOT_POLLING;

  constructor(domain: Domain, id: number) {
    super();
    this.domain = domain;
    this.id = id;
    this.mmu = new Mmu(domain);
    this.memory = this.mmu;
    this.infoAddress = domain.sharedInfo + id * domain.layout.infoSize;
    this.timers = new VcpuTimers(this);
    this.time = new VcpuTime(this);
    this.runstate = new Runstate(this);
    this.registers.cs = FLAT_KERNEL_CS;
  }

  get kernelMode(): boolean {
    return this.mmu.kernelMode;
  }

  // What the engine does.

  spend(ns: number): void {
    this.domain.xen.sim.spend(ns);
    this.cpuTime_ns += ns;
  }

  readTsc(into: Tsc): void {
    this.domain.tsc.read(into);
  }

  syscall(): void {
    const { registers: r } = this;
    // What the instruction does: the address after it, and the flags.
    r.setPair(RCX, r.low(RIP), r.high(RIP));
    r.setPair(R11, r.low(RFLAGS), r.high(RFLAGS));
    this.#patience = PATIENCE;
    if (this.kernelMode) hypercall(this);
    else bounceSyscall(this);
    this.checkStop();
  }

  exception(vector: number, errorCode = 0, cr2 = 0): void {
    if (vector === TRAP_page_fault && !isCanonicalAddress(cr2)) {
      deliverException(this, TRAP_gp_fault, 0, 0);
    } else deliverException(this, vector, errorCode, cr2);
    this.checkStop();
  }

  // What Xen sees.

  /** The upcall bytes. */
  get upcallMask(): number {
    return this.domain.host.memory.ld8(this.infoAddress + 1);
  }

  set upcallMask(mask: number) {
    this.domain.host.memory.st8(this.infoAddress + 1, mask);
  }

  get upcallPending(): boolean {
    return this.domain.host.memory.ld8(this.infoAddress) !== 0;
  }

  /** An upcall would be delivered on the way back to the guest. */
  get upcallDeliverable(): boolean {
    return this.domain.sharedInfoMfn >= 0 && this.upcallPending && this.upcallMask === 0;
  }

  /** Whether it may be given a processor. */
  get runnable(): boolean {
    return this.initialised && this.online && !this.blocked && this.domain.runnable;
  }

  /** Says whether the engine has to leave. */
  checkStop(): void {
    const spent = this.domain.xen.sim.now_ns >= this.#sliceEnd_ns;
    if (spent || !this.runnable || this.upcallDeliverable) this.stop = true;
  }

  /** The vCPU does not run from here on. */
  halt(): void {
    this.stop = true;
    if (!this.#running && this.runstate.state === RUNSTATE_runnable) {
      this.runstate.change(RUNSTATE_offline);
    }
  }

  // Long hypercalls.

  /** hypercall_preempt_check: it has done its share, or an event waits to be delivered. */
  preemptCheck(): boolean {
    return --this.#patience <= 0 || this.upcallDeliverable;
  }

  /**
   * hypercall_create_continuation: SYSCALL is executed again, with these arguments in place of the first ones.
   * Within a multicall it is the entry that is rewritten.
   */
  hypercallContinuation(nr: number, ...args: number[]): number {
    if (this.inMulticall) {
      this.continuation = { nr, args };
      return nr;
    }
    const { registers } = this;
    args.forEach((arg, i) => {
      registers.set(ARGUMENT_REGISTERS[i] as number, arg);
    });
    registers.set(RIP, registers.get(RIP) - 2);
    return nr;
  }

  // Scheduling.

  /** Puts it in line for a processor, if it may run and is not there already. */
  schedule(): void {
    if (!this.runnable) return;
    if (this.runstate.state >= RUNSTATE_blocked) this.runstate.change(RUNSTATE_runnable);
    if (this.#scheduled || this.#running) return;
    this.#scheduled = true;
    const { sim, scheduler } = this.domain.xen;
    scheduler.enqueue(this, Math.max(sim.now_ns, this.#sliceEnd_ns));
  }

  /** It has a processor. */
  slice(): boolean {
    this.#scheduled = false;
    if (!this.runnable) return false;
    const { sim, scheduler } = this.domain.xen;
    this.#running = true;
    this.runstate.change(RUNSTATE_running);
    this.runstate.publish();
    this.time.update();
    this.timers.tick();
    this.stop = false;
    const end_ns = Math.min(sim.now_ns + scheduler.slice_ns, sim.nextTime_ns);
    this.#sliceEnd_ns = Math.max(sim.now_ns + 1, Math.min(end_ns, this.timers.nextTick_ns));
    const budget = this.#sliceEnd_ns - sim.now_ns;
    this.domain.xen.enter(this);
    if (this.runnable && !this.stop) this.domain.engine.run(this, budget);
    this.#running = false;
    this.#sliceEnd_ns = sim.now_ns;
    if (this.domain.dying) return true;
    this.runstate.change(
      this.blocked ? RUNSTATE_blocked : this.runnable ? RUNSTATE_runnable : RUNSTATE_offline,
    );
    this.runstate.publish();
    this.schedule();
    return true;
  }

  /** vcpu_kick: an event is pending for it. A vCPU that waits goes on, also one that has events masked. */
  kick(): void {
    if (this.blocked) this.unblock();
  }

  unblock(): void {
    this.blocked = false;
    this.#pollPort = NOT_POLLING;
    this.domain.xen.sim.cancel(this.#pollTimer);
    if (!this.runnable && this.runstate.state === RUNSTATE_blocked) {
      this.runstate.change(RUNSTATE_offline);
    }
    this.schedule();
  }

  /** SCHEDOP_block. */
  block(): void {
    this.upcallMask = 0;
    if (this.upcallDeliverable) return;
    this.blocked = true;
    this.stop = true;
  }

  /**
   * SCHEDOP_poll, when none of the ports is pending. With one port it waits for that, with none or several for any of the
   * domain's.
   * @param timeout_ns host time, undefined for none
   */
  poll(ports: readonly number[], timeout_ns: number | undefined): void {
    const { sim, clock } = this.domain.xen;
    if (timeout_ns !== undefined) {
      this.#pollTimer = sim.at(clock.worldTime_ns(timeout_ns), () => {
        if (this.#pollPort !== NOT_POLLING) this.unblock();
      });
    }
    this.#pollPort = ports.length === 1 ? (ports[0] as number) : ANY_PORT;
    this.blocked = true;
    this.stop = true;
  }

  /** A port of the domain became pending. */
  polled(port: number): void {
    if (this.#pollPort === ANY_PORT || this.#pollPort === port) this.unblock();
  }

  /** The domain dies. */
  stopTimers(): void {
    this.timers.disarm();
    this.domain.xen.sim.cancel(this.#pollTimer);
  }
}
