/*
 * What the plain kernel does, a step a macro-instruction:
 *
 *     0 boot      keep start_info, greet
 *     1 connect   map shared_info, tell Xen where the P2M is, allocate ports, map the grant table, grant ring and page,
 *                 ask for a flush, print the ports
 *     2 wait      SCHEDOP_poll on both ports
 *     3 handle    an answer is printed; a request to suspend goes on to 4
 *     4 suspend   make pfns of start_info's mfns, unmap what is the host's, SCHEDOP_shutdown(suspend)
 *     5 resumed   1: cancelled, map again, wait; 0: restored, connect
 */
import {
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_grant_table_op,
  __HYPERVISOR_sched_op,
  __HYPERVISOR_update_va_mapping,
  arch_shared_info,
  EVTCHNOP_alloc_unbound,
  EVTCHNOP_send,
  evtchn_alloc_unbound,
  GNTTABOP_setup_table,
  GTF_permit_access,
  gnttab_setup_table,
  SCHEDOP_poll,
  SCHEDOP_shutdown,
  SHUTDOWN_suspend,
  sched_poll,
  shared_info,
  start_info,
  xencons_interface,
} from '@port-xen/abi';
import { ldU64, type Memory, st64 } from '@port-xen/layout';
import { type Engine, R10, RAX, RDI, RDX, RIP, RSI, type Vcpu } from '@port-xen/vcpu';
import {
  DATA,
  FRAME_LIST,
  FRAME_LIST_LIST,
  GRANT_TABLE,
  IO_PAGE,
  RING,
  SHARED_INFO,
  STEP_BYTES,
  TEXT,
  VIRT_BASE,
} from './plain-kernel.ts';

const DOMID_SELF = 0x7ff0;
/** Xen's table of pfns by mfn, which every guest can read. */
const M2P = -0x8000_0000_0000;
const PRESENT_RW = 3;
const UVMF_INVLPG = 2;
const RING_REF = 8;
const PAGE_REF = 9;

// Data: what outlives a step.
const START_INFO = DATA;
const SUSPEND_PORT = DATA + 8;
const DISK_PORT = DATA + 12;
const LIVES = DATA + 16;
const ANSWERS_TAKEN = DATA + 20;
const SCRATCH = DATA + 256;
const PORTS = DATA + 512;

const stepAt = (n: number): number => TEXT + n * STEP_BYTES;

const hypercall = (vcpu: Vcpu, number: number, ...args: readonly number[]): number => {
  const { registers } = vcpu;
  registers.set(RAX, number);
  for (const [i, register] of [RDI, RSI, RDX, R10].entries()) registers.set(register, args[i] ?? 0);
  vcpu.syscall();
  return registers.get(RAX);
};

const must = (result: number, what: string): void => {
  if (result !== 0) throw new Error(`expected ${what} to succeed, found ${result}`);
};

const pfnOf = (va: number): number => (va - VIRT_BASE) / 4096;

const info = (memory: Memory) => start_info.at(memory, ldAddress(memory, START_INFO));
const ldAddress = (memory: Memory, at: number): number =>
  memory.ld32(at + 4) * 2 ** 32 + (memory.ld32(at) >>> 0);

/** The MFN of a page of the kernel's, by its P2M. */
const mfnOf = (memory: Memory, va: number): number => {
  const list = ldAddress(memory, ldAddress(memory, START_INFO) + start_info.offset.mfn_list);
  return ldU64(memory, list + pfnOf(va) * 8);
};

const map = (vcpu: Vcpu, va: number, mfn: number): void => {
  must(
    hypercall(vcpu, __HYPERVISOR_update_va_mapping, va, mfn * 4096 + PRESENT_RW, UVMF_INVLPG),
    'update_va_mapping',
  );
};

const unmap = (vcpu: Vcpu, va: number): void => {
  must(hypercall(vcpu, __HYPERVISOR_update_va_mapping, va, 0, UVMF_INVLPG), 'update_va_mapping');
};

const print = (vcpu: Vcpu, text: string): void => {
  const { memory } = vcpu;
  const { domU } = info(memory).console;
  // The console page is mapped at its pfn; the M2P says which.
  const page = VIRT_BASE + ldU64(memory, M2P + domU.mfn * 8) * 4096;
  const intf = xencons_interface.at(memory, page);
  for (const char of text) {
    memory.st8(page + 1024 + (intf.out_prod & 2047), char.charCodeAt(0));
    intf.out_prod += 1;
  }
  memory.st32(SCRATCH, domU.evtchn);
  must(hypercall(vcpu, __HYPERVISOR_event_channel_op, EVTCHNOP_send, SCRATCH), 'EVTCHNOP_send');
};

const allocate = (vcpu: Vcpu): number => {
  const op = evtchn_alloc_unbound.at(vcpu.memory, SCRATCH);
  op.dom = DOMID_SELF;
  op.remote_dom = 0;
  must(
    hypercall(vcpu, __HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, SCRATCH),
    'EVTCHNOP_alloc_unbound',
  );
  return op.port;
};

const mapHostPages = (vcpu: Vcpu): void => {
  const { memory } = vcpu;
  map(vcpu, SHARED_INFO, info(memory).shared_info / 4096);
  const op = gnttab_setup_table.at(memory, SCRATCH);
  op.dom = DOMID_SELF;
  op.nr_frames = 1;
  op.frame_list = SCRATCH + 64;
  must(
    hypercall(vcpu, __HYPERVISOR_grant_table_op, GNTTABOP_setup_table, SCRATCH, 1),
    'setup_table',
  );
  must(op.status, 'GNTTABOP_setup_table');
  map(vcpu, GRANT_TABLE, ldU64(memory, SCRATCH + 64));
};

const grant = (memory: Memory, ref: number, va: number): void => {
  memory.st16(GRANT_TABLE + ref * 8 + 2, 0);
  memory.st32(GRANT_TABLE + ref * 8 + 4, mfnOf(memory, va));
  memory.st16(GRANT_TABLE + ref * 8, GTF_permit_access);
};

const tellXenTheP2m = (memory: Memory): void => {
  const { nr_pages } = info(memory);
  const list = ldAddress(memory, ldAddress(memory, START_INFO) + start_info.offset.mfn_list);
  for (let i = 0; i * 512 < nr_pages; i++) {
    st64(memory, FRAME_LIST + i * 8, mfnOf(memory, list + i * 4096));
  }
  st64(memory, FRAME_LIST_LIST, mfnOf(memory, FRAME_LIST));
  const arch = SHARED_INFO + shared_info.offset.arch;
  st64(memory, arch + arch_shared_info.offset.max_pfn, nr_pages);
  st64(
    memory,
    arch + arch_shared_info.offset.pfn_to_mfn_frame_list_list,
    mfnOf(memory, FRAME_LIST_LIST),
  );
};

const boot = (vcpu: Vcpu): number => {
  const { memory, registers } = vcpu;
  st64(memory, START_INFO, registers.get(RSI));
  print(vcpu, 'hello\n');
  return 1;
};

const connect = (vcpu: Vcpu): number => {
  const { memory } = vcpu;
  mapHostPages(vcpu);
  tellXenTheP2m(memory);
  const suspend = allocate(vcpu);
  const disk = allocate(vcpu);
  memory.st32(SUSPEND_PORT, suspend);
  memory.st32(DISK_PORT, disk);
  const life = memory.ld32(LIVES) + 1;
  memory.st32(LIVES, life);
  memory.write(RING, new Uint8Array(4096));
  memory.st32(RING + 4, 1);
  memory.st32(RING + 12, 1);
  memory.st32(ANSWERS_TAKEN, 0);
  // A write of one sector whose bytes are the life's number, to the sector of that number.
  memory.write(IO_PAGE, new Uint8Array(512).fill(life));
  memory.st8(RING + 64, 1);
  memory.st8(RING + 65, 1);
  st64(memory, RING + 64 + 8, life);
  st64(memory, RING + 64 + 16, life);
  memory.st32(RING + 64 + 24, PAGE_REF);
  memory.st32(RING + 64 + 28, 0);
  memory.st32(RING, 1);
  grant(memory, RING_REF, RING);
  grant(memory, PAGE_REF, IO_PAGE);
  print(vcpu, `life ${life} suspend ${suspend} disk ${disk}\n`);
  return 2;
};

const wait = (vcpu: Vcpu): number => {
  const { memory, registers } = vcpu;
  const op = sched_poll.at(memory, SCRATCH);
  memory.st32(PORTS, memory.ld32(SUSPEND_PORT));
  memory.st32(PORTS + 4, memory.ld32(DISK_PORT));
  op.ports = PORTS;
  op.nr_ports = 2;
  op.timeout = 0;
  registers.set(RIP, stepAt(3));
  hypercall(vcpu, __HYPERVISOR_sched_op, SCHEDOP_poll, SCRATCH);
  return -1;
};

/** Clears the port's pending bit. @returns whether it was set */
const takePending = (memory: Memory, port: number): boolean => {
  const at = SHARED_INFO + shared_info.offset.evtchn_pending + (port >> 3);
  const byte = memory.ld8(at);
  memory.st8(at, byte & ~(1 << (port & 7)));
  return (byte & (1 << (port & 7))) !== 0;
};

const handle = (vcpu: Vcpu): number => {
  const { memory } = vcpu;
  if (takePending(memory, memory.ld32(DISK_PORT))) {
    const taken = memory.ld32(ANSWERS_TAKEN);
    if (memory.ld32(RING + 8) !== taken) {
      memory.st32(ANSWERS_TAKEN, taken + 1);
      const status = (memory.ld16(RING + 64 + 10) << 16) >> 16;
      print(vcpu, `disk answered ${memory.ld32(RING + 64)} with ${status}\n`);
    }
  }
  return takePending(memory, memory.ld32(SUSPEND_PORT)) ? 4 : 2;
};

/** The two frame numbers in start_info, which a guest makes pfns of before it suspends, by the M2P or the P2M. */
const translate = (memory: Memory, translation: (frame: number) => number): void => {
  const si = info(memory);
  si.store_mfn = translation(si.store_mfn);
  si.console.domU.mfn = translation(si.console.domU.mfn);
};

const suspend = (vcpu: Vcpu): number => {
  const { memory, registers } = vcpu;
  print(vcpu, 'suspending\n');
  translate(memory, (mfn) => ldU64(memory, M2P + mfn * 8));
  unmap(vcpu, SHARED_INFO);
  unmap(vcpu, GRANT_TABLE);
  memory.st32(SCRATCH, SHUTDOWN_suspend);
  registers.set(RIP, stepAt(5));
  const mfn = mfnOf(memory, ldAddress(memory, START_INFO));
  hypercall(vcpu, __HYPERVISOR_sched_op, SCHEDOP_shutdown, SCRATCH, mfn);
  return -1;
};

const resumed = (vcpu: Vcpu): number => {
  if (vcpu.registers.get(RAX) === 1) {
    const { memory } = vcpu;
    translate(memory, (pfn) => mfnOf(memory, VIRT_BASE + pfn * 4096));
    mapHostPages(vcpu);
    print(vcpu, 'cancelled\n');
    return 2;
  }
  print(vcpu, 'restored\n');
  return 1;
};

const STEPS = [boot, connect, wait, handle, suspend, resumed];

/** Runs plain kernels; it keeps nothing itself. */
export const plainGuest: Engine = {
  run(vcpu, budget_ns) {
    let spent_ns = 0;
    do {
      const at = vcpu.registers.get(RIP) - TEXT;
      if (at % STEP_BYTES === STEP_BYTES - 2) {
        vcpu.registers.set(RIP, TEXT + at + 2);
        vcpu.syscall();
      } else {
        const step = STEPS[at / STEP_BYTES];
        if (step === undefined) throw new Error(`expected a step, found rip ${TEXT + at}`);
        // Where a hypercall that has to be continued comes back to: the SYSCALL before the next step.
        const next = step(vcpu);
        if (next >= 0) vcpu.registers.set(RIP, stepAt(next));
      }
      vcpu.spend(1000);
      spent_ns += 1000;
    } while (!vcpu.stop && spent_ns < budget_ns);
  },
};
