/*
 * Lwps: a stack in guest memory and where it stands.
 *
 *     stack of an lwp that waits:  rsp → | return address | locals of the routine that waits | …
 *
 * mi_switch() is entered by `call` with the return address on the stack; it saves rsp, takes another lwp and leaves by
 * that lwp's return address. Nothing else of an lwp exists while it does not run. Kernel lwps are not preempted.
 */
import { __HYPERVISOR_stack_switch, FLAT_KERNEL_SS } from '@port-xen/abi';
import {
  array,
  bytes,
  cString,
  i64,
  ldI64,
  st64,
  struct,
  textOf,
  u32,
  u64,
  type View,
} from '@port-xen/layout';
import { RAX, RDI, RDX, RIP, RSI, RSP } from '@port-xen/vcpu';
import type { Callout } from './callout.ts';
import type { Cpu } from './cpu.ts';
import { EINTR } from './errno.ts';
import {
  L_IDLE,
  L_SINTR,
  L_USER,
  LSIDL,
  LSONPROC,
  LSRUN,
  LSSLEEP,
  type Lwp,
  lwp,
  NLWP,
  PRI_KTHREAD,
  UAREA_SIZE,
} from './lwp.ts';
import { kassert } from './panic.ts';

/** tsleep's third argument: a signal ends the sleep. */
export const PCATCH = 1;

/** NetBSD's errno for a sleep that timed out. */
export const EWOULDBLOCK = 35;

export const sched_data = struct('sched_data', {
  curlwp: i64,
  ci_want_resched: u32,
  /** User lwps are held: a suspend is under way. */
  sched_frozen: u32,
  sched_stamp: u64,
  /** Leaf(pmap): makes a user address space current; 0 until there is one. */
  sched_activate: i64,
  /** The idle lwp has nothing to run: it blocks, or an event has just ended that. */
  ci_idle: u32,
  /** Leaves of the clock's, see Sched.setIdle; 0 until it runs. */
  idle_block: i64,
  idle_event: i64,
  idle_leave: i64,
  lwps: array(lwp, NLWP),
});

export const uarea_data = struct('uarea_data', { uarea: bytes(NLWP * UAREA_SIZE) });

export class Sched {
  readonly cpu: Cpu;
  readonly data: number;
  readonly uarea: number;
  readonly callout: Callout;

  constructor(cpu: Cpu, data: number, uarea: number, callouts: Callout) {
    this.cpu = cpu;
    this.data = data;
    this.uarea = uarea;
    this.callout = callouts;
  }

  get d(): View<typeof sched_data> {
    return sched_data.at(this.cpu.memory, this.data);
  }

  at(address: number): Lwp {
    return lwp.at(this.cpu.memory, address);
  }

  get curlwp(): Lwp {
    return this.at(this.d.curlwp);
  }

  #allocate(name: string, priority: number, flags: number): Lwp {
    const { lwps } = this.d;
    for (let i = 0; i < NLWP; i++) {
      const l = lwps.at(i);
      if (l.l_stat !== LSIDL) continue;
      this.cpu.memory.write(l.address, new Uint8Array(lwp.size));
      l.l_lid = i + 1;
      l.l_flag = flags;
      l.l_priority = priority;
      l.l_stack = this.uarea + (i + 1) * UAREA_SIZE;
      l.l_name = cString(name.slice(0, 15));
      return l;
    }
    kassert(false, `expected at most ${NLWP} lwps`);
  }

  /** Makes the running context an lwp: once, at boot. */
  adoptBoot(name: string): Lwp {
    const l = this.#allocate(name, PRI_KTHREAD, 0);
    l.l_stat = LSONPROC;
    this.d.curlwp = l.address;
    return l;
  }

  /** kthread_create(9): an lwp that enters `func` with `arg`. */
  create(name: string, func: number, arg: number, priority = PRI_KTHREAD, flags = 0): Lwp {
    const l = this.#allocate(name, priority, flags);
    const { memory } = this.cpu;
    // lwp_trampoline finds the function and its argument here, and leaves lwp_exit as its return address.
    l.l_sp = l.l_stack - 32;
    st64(memory, l.l_sp, this.cpu.sym('lwp_trampoline'));
    st64(memory, l.l_sp + 8, func);
    st64(memory, l.l_sp + 16, arg);
    st64(memory, l.l_sp + 24, this.cpu.sym('lwp_exit'));
    this.setRunnable(l);
    return l;
  }

  setRunnable(l: Lwp): void {
    const d = this.d;
    l.l_stat = LSRUN;
    l.l_stamp = d.sched_stamp++;
    const current = d.curlwp;
    if (current !== 0 && l.l_priority > this.at(current).l_priority) d.ci_want_resched = 1;
  }

  /**
   * Says what is called around the processor's idleness.
   * @param block the idle lwp is about to block @param event an event ended that, and no handler has run yet
   * @param leave the idle lwp gives the processor to another
   */
  setIdle(block: number, event: number, leave: number): void {
    const d = this.d;
    d.idle_block = block;
    d.idle_event = event;
    d.idle_leave = leave;
  }

  /** Whether the processor is idle, also while an event that came then is handled. */
  get idle(): boolean {
    return this.d.ci_idle !== 0;
  }

  /** The idle lwp is about to block. */
  idleBlock(): void {
    const d = this.d;
    d.ci_idle = 1;
    if (d.idle_block !== 0) this.cpu.call(d.idle_block);
  }

  /** An event is about to be handled. */
  idleEvent(): void {
    const d = this.d;
    if (d.ci_idle !== 0 && d.idle_event !== 0) this.cpu.call(d.idle_event);
  }

  /** The idle lwp is about to give the processor away. */
  idleLeave(): void {
    const d = this.d;
    if (d.ci_idle === 0) return;
    d.ci_idle = 0;
    if (d.idle_leave !== 0) this.cpu.call(d.idle_leave);
  }

  /** Whether an lwp other than the idle one could run. */
  get anyRunnable(): boolean {
    const l = this.#best();
    return l !== undefined && (l.l_flag & L_IDLE) === 0;
  }

  #pick(): Lwp {
    const l = this.#best();
    kassert(l !== undefined, 'expected the idle lwp to be runnable');
    return l;
  }

  #best(): Lwp | undefined {
    const d = this.d;
    const { memory } = this.cpu;
    const stat = d.lwps.address(0) + lwp.offset.l_stat;
    let best: Lwp | undefined;
    for (let i = 0; i < NLWP; i++) {
      // Most do not run: they are passed over without a look at the rest of them.
      if (memory.ld32(stat + i * lwp.size) !== LSRUN) continue;
      const l = d.lwps.at(i);
      if (d.sched_frozen !== 0 && (l.l_flag & L_USER) !== 0) continue;
      if (
        best === undefined ||
        l.l_priority > best.l_priority ||
        (l.l_priority === best.l_priority && l.l_stamp < best.l_stamp)
      ) {
        best = l;
      }
    }
    return best;
  }

  /** wakeup(9): every lwp that sleeps on `wchan` becomes runnable. */
  wakeup(wchan: number): void {
    const { lwps } = this.d;
    for (let i = 0; i < NLWP; i++) {
      const l = lwps.at(i);
      if (l.l_stat === LSSLEEP && l.l_wchan === wchan) this.#unsleep(l, 0);
    }
  }

  /** A signal: an lwp that is asleep with PCATCH wakes up, and its tsleep returns EINTR. */
  interrupt(l: Lwp): void {
    if (l.l_stat === LSSLEEP && (l.l_flag & L_SINTR) !== 0) this.#unsleep(l, EINTR);
  }

  #unsleep(l: Lwp, error: number): void {
    l.l_flag &= ~L_SINTR;
    this.callout.stop(l.l_slpcallout.address);
    l.l_wchan = 0;
    l.l_sleeperr = error;
    this.setRunnable(l);
  }

  /** A sleep's time is over. */
  sleepTimeout(address: number): void {
    const l = this.at(address);
    if (l.l_stat === LSSLEEP) this.#unsleep(l, EWOULDBLOCK);
  }

  /** Entered with rdi = wchan, rsi = ticks or 0 for ever; returns 0 or EWOULDBLOCK. */
  tsleep(): void {
    const { registers } = this.cpu;
    const l = this.curlwp;
    const ticks = registers.get(RSI);
    l.l_wchan = registers.get(RDI);
    l.l_stat = LSSLEEP;
    if (registers.get(RDX) === PCATCH) l.l_flag |= L_SINTR;
    if (ticks > 0) {
      this.callout.reset(l.l_slpcallout.address, ticks, this.cpu.sym('sleep_timeout'), l.address);
    }
    this.#switchFrom(l);
  }

  /** Lets others run; returns when it is this lwp's turn again. */
  yield(): void {
    const l = this.curlwp;
    l.l_sleeperr = 0;
    this.setRunnable(l);
    this.#switchFrom(l);
  }

  /** The running lwp ends; its stack may be used by the next one. */
  exit(): void {
    this.curlwp.l_stat = LSIDL;
    this.#switchTo(this.#pick());
  }

  #switchFrom(l: Lwp): void {
    l.l_sp = this.cpu.registers.get(RSP);
    this.#switchTo(this.#pick());
  }

  #switchTo(l: Lwp): void {
    const { registers, memory } = this.cpu;
    const d = this.d;
    l.l_stat = LSONPROC;
    d.curlwp = l.address;
    d.ci_want_resched = 0;
    this.cpu.hypercall(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, l.l_stack);
    if (l.l_pmap !== 0 && d.sched_activate !== 0) this.cpu.call(d.sched_activate, l.l_pmap);
    const rsp = l.l_sp;
    registers.set(RIP, ldI64(memory, rsp));
    registers.set(RSP, rsp + 8);
    registers.set(RAX, l.l_sleeperr);
  }

  /** The name of an lwp, for messages. */
  nameOf(address: number): string {
    return textOf(this.at(address).l_name);
  }
}
