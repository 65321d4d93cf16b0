/*
 * A vCPU: registers, its view of memory, what it registered with Xen, its timers, and whether it runs.
 */
import { FLAT_KERNEL_CS, FLAT_KERNEL_SS, VIRQ_TIMER, vcpu_info } from '@port-xen/abi';
import {
  isCanonicalAddress,
  R8,
  R10,
  RDI,
  RDX,
  Registers,
  RFLAGS,
  RIP,
  RSI,
  type Tsc,
  type Vcpu,
} from '@port-xen/vcpu';
import type { Domain } from './domain.ts';
import { isPending } from './event-delivery.ts';
import { hypercall } from './hypercall.ts';
import type { MemoryVcpu } from './memory-domain.ts';
import { Mmu } from './mmu.ts';
import { bounceSyscall, deliverException } from './trap.ts';

const GDT_FRAMES = 16;
const LDT_FRAMES = 16;
/** XSAVE area: legacy image and header. */
const XSAVE_SIZE = 576;
const TRAP_gp_fault = 13;
const TRAP_page_fault = 14;
const PERIOD_DEFAULT_NS = 10_000_000;

/** An entry of the guest's trap table. */
export interface TrapEntry {
  readonly flags: number;
  readonly cs: number;
  readonly address: number;
}

/** RUNSTATE_*. */
type RunstateIndex = 0 | 1 | 2 | 3;

export class GuestVcpu implements Vcpu, MemoryVcpu {
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

  readonly gdtFrames: Int32Array = new Int32Array(GDT_FRAMES).fill(-1);
  gdtEntries = 0;
  ldtBase = 0;
  ldtEntries = 0;
  readonly ldtFrames: Int32Array = new Int32Array(LDT_FRAMES).fill(-1);

  readonly traps: (TrapEntry | undefined)[] = [];
  eventCallback = 0;
  failsafeCallback = 0;
  syscallCallback = 0;
  nmiCallback = 0;
  syscall32Callback = 0;
  sysenterCallback = 0;
  failsafeMasks = false;
  syscallMasks = false;
  kernelSs: number = FLAT_KERNEL_SS;
  kernelSp = 0;
  fsBase = 0;
  gsBaseKernel = 0;
  gsBaseUser = 0;
  iopl = 0;
  taskSwitched = false;
  readonly debugRegisters: number[] = [0, 0, 0, 0, 0, 0, 0xffff0ff0, 0x400];
  readonly xsave: Uint8Array = new Uint8Array(XSAVE_SIZE);
  xcr0Accum = 3;

  /** Machine address of its vcpu_info. */
  infoAddress: number;
  /** The frame registered for vcpu_info; -1: within shared_info. */
  registeredInfoMfn = -1;
  runstateAddress = 0;
  timeAddress = 0;

  #scheduled = false;
  #processor = 0;
  #singleshot = 0;
  #periodic = 0;
  period_ns: number = PERIOD_DEFAULT_NS;
  #pollTimer = 0;
  #pollPorts: readonly number[] | undefined;
  #timeUpdated_ns = Number.NEGATIVE_INFINITY;
  cpuTime_ns = 0;
  runstate: RunstateIndex = 3;
  runstateEntered_ns = 0;
  readonly runstateTimes: [number, number, number, number] = [0, 0, 0, 0];

  constructor(domain: Domain, id: number) {
    this.domain = domain;
    this.id = id;
    this.mmu = new Mmu(domain);
    this.memory = this.mmu;
    this.infoAddress = domain.sharedInfo + id * vcpu_info.size;
    this.registers.cs = FLAT_KERNEL_CS;
    // FXSAVE image after FNINIT.
    this.xsave[0] = 0x7f;
    this.xsave[1] = 3;
    this.xsave[24] = 0x80;
    this.xsave[25] = 0x1f;
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
    this.domain.xen.clock.readTsc(into);
  }

  syscall(): void {
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

  /** vcpu_info's upcall bytes. */
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
    if (!this.runnable || this.upcallDeliverable) this.stop = true;
  }

  /** The vCPU does not run from here on. */
  halt(): void {
    this.stop = true;
  }

  /** hypercall_preempt_check: hypercalls here are short enough to be done at once. */
  preemptCheck(): boolean {
    return false;
  }

  /** hypercall_create_continuation. */
  hypercallContinuation(nr: number, ...args: number[]): number {
    const { registers } = this;
    const order = [RDI, RSI, RDX, R10, R8];
    args.forEach((arg, i) => {
      registers.set(order[i] as number, arg);
    });
    registers.set(RIP, registers.get(RIP) - 2);
    return nr;
  }

  // Scheduling.

  /** Puts it in line for a processor, if it may run and is not there already. */
  schedule(): void {
    if (this.#scheduled || !this.runnable) return;
    this.#scheduled = true;
    const { sim, scheduler } = this.domain.xen;
    const processor = scheduler.pick();
    this.#processor = processor;
    sim.at(Math.max(sim.now_ns, scheduler.freeAt(processor)), () => this.#slice());
  }

  #slice(): void {
    const { sim, scheduler } = this.domain.xen;
    if (this.domain.dying) return;
    if (scheduler.freeAt(this.#processor) > sim.now_ns) {
      sim.at(scheduler.freeAt(this.#processor), () => this.#slice());
      return;
    }
    this.#scheduled = false;
    if (!this.runnable) return;
    this.setRunstate(0);
    this.refreshTime();
    this.stop = false;
    this.domain.xen.enter(this);
    if (this.runnable && !this.stop) {
      const budget = Math.max(1, Math.min(scheduler.slice_ns, sim.nextTime_ns - sim.now_ns));
      this.domain.engine.run(this, budget);
    }
    scheduler.release(this.#processor, sim.now_ns);
    if (this.blocked) this.setRunstate(2);
    else this.setRunstate(1);
    this.schedule();
  }

  /** An event came for it. */
  kick(): void {
    if (this.blocked && this.#pollPorts === undefined && this.upcallDeliverable) this.unblock();
    else if (this.blocked && this.#pollPorts !== undefined && this.upcallDeliverable)
      this.unblock();
  }

  unblock(): void {
    this.blocked = false;
    this.#pollPorts = undefined;
    this.domain.xen.sim.cancel(this.#pollTimer);
    this.schedule();
  }

  /** SCHEDOP_block. */
  block(): void {
    this.upcallMask = 0;
    if (this.upcallDeliverable) return;
    this.blocked = true;
    this.stop = true;
  }

  /** SCHEDOP_poll. @param timeout_ns absolute system time, 0 for none */
  poll(ports: readonly number[], timeout_ns: number): void {
    const { host, sharedInfo } = this.domain;
    if (ports.some((port) => isPending(host.memory, sharedInfo, port))) return;
    if (this.upcallDeliverable) return;
    const { sim, clock } = this.domain.xen;
    if (timeout_ns !== 0) {
      if (timeout_ns <= clock.now_ns()) return;
      this.#pollTimer = sim.at(clock.worldTime_ns(timeout_ns), () => {
        if (this.#pollPorts !== undefined) this.unblock();
      });
    }
    this.#pollPorts = ports;
    this.blocked = true;
    this.stop = true;
  }

  /** A port of the domain became pending. */
  polled(port: number): void {
    if (this.#pollPorts?.includes(port)) this.unblock();
  }

  // Timers.

  /** Arms the one-shot timer. @param timeout_ns absolute system time; past ones fire at once */
  armSingleshot(timeout_ns: number): void {
    const { sim, clock } = this.domain.xen;
    sim.cancel(this.#singleshot);
    this.#singleshot = sim.at(clock.worldTime_ns(timeout_ns), () => this.#timerFired());
  }

  stopSingleshot(): void {
    this.domain.xen.sim.cancel(this.#singleshot);
  }

  /** Starts the periodic timer anew; 0 stops it. */
  setPeriod(period_ns: number): void {
    this.period_ns = period_ns;
    this.domain.xen.sim.cancel(this.#periodic);
    if (period_ns > 0) this.#armPeriodic();
  }

  #armPeriodic(): void {
    this.#periodic = this.domain.xen.sim.after(this.period_ns, () => {
      if (this.domain.dying || this.domain.shutdownCode >= 0) return;
      this.#timerFired();
      this.#armPeriodic();
    });
  }

  #timerFired(): void {
    if (this.domain.dying) return;
    this.domain.evtchn.sendVirq(VIRQ_TIMER, this.id);
  }

  stopTimers(): void {
    const { sim } = this.domain.xen;
    sim.cancel(this.#singleshot);
    sim.cancel(this.#periodic);
    sim.cancel(this.#pollTimer);
  }

  // Time.

  /** Writes vcpu_time_info when the last one is a second old. */
  refreshTime(force = false): void {
    const { clock } = this.domain.xen;
    const now = clock.now_ns();
    if (!force && now - this.#timeUpdated_ns < 1e9) return;
    this.#timeUpdated_ns = now;
    clock.update(this.domain.host.memory, this.infoAddress + vcpu_info.offset.time);
  }

  setRunstate(state: RunstateIndex): void {
    const now = this.domain.xen.clock.now_ns();
    this.runstateTimes[this.runstate] += now - this.runstateEntered_ns;
    this.runstate = state;
    this.runstateEntered_ns = now;
  }

  /** The flags register, its low half. */
  get rflags(): number {
    return this.registers.low(RFLAGS);
  }
}
