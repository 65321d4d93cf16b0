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
  start_info,
  trap_info,
} from '@port-xen/abi';
import { type Cpu, type HypercallArgs, KERNBASE, kassert, PAGE_SIZE } from '@port-xen/kern';
import { array, i64, ldI64, struct, type View } from '@port-xen/layout';

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
  /** Kernel address of the xenstore and console pages. */
  store_page: i64,
  console_page: i64,
  /** The table handed to HYPERVISOR_set_trap_table; ends with a zero address. */
  xen_idt: array(trap_info, TRAPS.length + 1),
});

/** Where the machine-dependent kernel keeps what start of day gave it. */
export class StartOfDay {
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

  /** The page that Xen and the toolstack filled, at boot and again at restore. */
  get startInfo(): View<typeof start_info> {
    return start_info.at(this.cpu.memory, this.d.start_info);
  }

  /** Kernel address of the xenstore page. */
  get storePage(): number {
    return this.d.store_page;
  }

  /** Machine address of shared_info. */
  get sharedInfoMa(): number {
    return this.startInfo.shared_info;
  }

  /** Notes where start_info and the two ring pages are. @param m2p the physical address behind a machine frame */
  note(startInfoVa: number, m2p: (mfn: number) => number): void {
    const d = this.d;
    d.start_info = startInfoVa;
    const si = this.startInfo;
    d.store_page = KERNBASE + m2p(si.store_mfn);
    d.console_page = KERNBASE + m2p(ldI64(si.memory, si.address + start_info.offset.console));
  }

  /** One past the last page that the domain builder used: the boot stack follows the page tables. */
  get firstFreePfn(): number {
    const si = this.startInfo;
    const pt = ldI64(si.memory, si.address + start_info.offset.pt_base) - KERNBASE;
    return pt / PAGE_SIZE + si.nr_pt_frames + 1;
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
