/*
 * Start of day (sys/arch/amd64/amd64/machdep.c, locore.S): what a PV kernel finds and what it has to tell Xen.
 *
 *     found      rsi = start_info; paging on; upcalls masked; a boot stack; everything mapped at KERNBASE + pa
 *     told Xen   trap table, event and failsafe and syscall callbacks, kernel stack, where shared_info is to be mapped
 *
 * All of it but the shared_info mapping is part of the vCPU's context: the toolstack saves and restores it, so resume
 * tells Xen nothing of this again.
 */
import {
  __HYPERVISOR_callback_op,
  __HYPERVISOR_set_trap_table,
  CALLBACKF_mask_events,
  CALLBACKOP_register,
  CALLBACKTYPE_event,
  CALLBACKTYPE_failsafe,
  CALLBACKTYPE_syscall,
  callback_register,
  FLAT_KERNEL_CS,
  trap_info,
} from '@port-xen/abi';
import { type Cpu, type HypercallArgs, KERNBASE, kassert, PAGE_SIZE } from '@port-xen/kern';
import { array, i64, struct, type View } from '@port-xen/layout';

/** Exceptions with an entry of ours, and the privilege a program needs to raise them with `int`. */
const TRAPS: readonly (readonly [vector: number, dpl: number])[] = [
  [0, 0],
  [1, 0],
  [2, 0],
  [3, 3],
  [4, 3],
  [5, 0],
  [6, 0],
  [7, 0],
  [8, 0],
  [9, 0],
  [10, 0],
  [11, 0],
  [12, 0],
  [13, 0],
  [14, 0],
  [16, 0],
  [17, 0],
  [18, 0],
  [19, 0],
];

/** The vectors at which there is a `trapN` entry. */
export const TRAP_VECTORS: readonly number[] = TRAPS.map(([vector]) => vector);

export const machdep_data = struct('machdep_data', {
  /** Kernel address of the start_info page. */
  start_info: i64,
  /** Kernel address of the xenstore and console pages; 0 where there are none. */
  store_page: i64,
  console_page: i64,
  /** The table handed to HYPERVISOR_set_trap_table; ends with a zero address. */
  xen_idt: array(trap_info, TRAPS.length + 1),
});

/** What a frame number is translated by. */
export interface Translation {
  /** The machine frame behind a physical address, and the other way round. */
  mfnOf(pa: number): number;
  paOf(mfn: number): number;
}

/** Where the machine-dependent kernel keeps what start of day gave it. */
export abstract class StartOfDay {
  readonly cpu: Cpu;
  readonly data: number;
  readonly args: HypercallArgs;

  constructor(cpu: Cpu, data: number, args: HypercallArgs) {
    this.cpu = cpu;
    this.data = data;
    this.args = args;
  }

  get d(): View<typeof machdep_data> {
    return machdep_data.at(this.cpu.memory, this.data);
  }

  // What start_info says, whichever Xen's it is.

  /** Which Xen the domain was made by, as it says itself. */
  abstract get magic(): string;
  abstract get nrPages(): number;
  /** Machine address of shared_info. */
  abstract get sharedInfoMa(): number;
  /** Virtual addresses: the page tables' base, the P2M. */
  abstract get ptBase(): number;
  abstract get mfnList(): number;
  abstract get nrPtFrames(): number;
  abstract get commandLine(): string;

  /** What in start_info is a frame becomes a pfn at a suspend, and a frame again in a domain that never left. */
  abstract framesToPfns(by: Translation): void;
  abstract pfnsToFrames(by: Translation): void;

  /** Notes where start_info is, and what it names. @param m2p the physical address behind a machine frame */
  note(startInfoVa: number, _m2p: (mfn: number) => number): void {
    this.d.start_info = startInfoVa;
  }

  /** One past the last page that the domain builder used: the boot stack follows the page tables. */
  get firstFreePfn(): number {
    return (this.ptBase - KERNBASE) / PAGE_SIZE + this.nrPtFrames + 1;
  }

  /** HYPERVISOR_set_trap_table and CALLBACKOP_register. */
  register(): void {
    const { xen_idt } = this.d;
    TRAPS.forEach(([vector, dpl], i) => {
      const entry = xen_idt.at(i);
      entry.vector = vector;
      entry.flags = dpl;
      entry.cs = FLAT_KERNEL_CS;
      entry.address_ = this.cpu.sym(`trap${vector}`);
    });
    const rc = this.cpu.hypercall(__HYPERVISOR_set_trap_table, xen_idt.address(0));
    kassert(rc === 0, `set_trap_table failed: error ${-rc}`);
    this.#callback(CALLBACKTYPE_event, 'hypervisor_callback');
    this.#callback(CALLBACKTYPE_failsafe, 'failsafe_callback');
    this.#callback(CALLBACKTYPE_syscall, 'syscall_entry');
  }

  #callback(type: number, symbol: string): void {
    const op = this.args.at(callback_register);
    op.type = type;
    op.flags = type === CALLBACKTYPE_failsafe ? CALLBACKF_mask_events : 0;
    op.address_ = this.cpu.sym(symbol);
    const rc = this.cpu.hypercall(__HYPERVISOR_callback_op, CALLBACKOP_register, op.address);
    kassert(rc === 0, `registering ${symbol} failed: error ${-rc}`);
  }
}
