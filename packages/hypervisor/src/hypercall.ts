/*
 * Hypercall dispatch (xen/arch/x86/pv/hypercall.c): number in rax, arguments in rdi, rsi, rdx, r10, r8, result in rax.
 */
import {
  __HYPERVISOR_callback_op,
  __HYPERVISOR_console_io,
  __HYPERVISOR_domctl,
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_fpu_taskswitch,
  __HYPERVISOR_get_debugreg,
  __HYPERVISOR_grant_table_op,
  __HYPERVISOR_iret,
  __HYPERVISOR_memory_op,
  __HYPERVISOR_mmu_update,
  __HYPERVISOR_mmuext_op,
  __HYPERVISOR_multicall,
  __HYPERVISOR_nmi_op,
  __HYPERVISOR_physdev_op,
  __HYPERVISOR_platform_op,
  __HYPERVISOR_sched_op,
  __HYPERVISOR_set_callbacks,
  __HYPERVISOR_set_debugreg,
  __HYPERVISOR_set_gdt,
  __HYPERVISOR_set_segment_base,
  __HYPERVISOR_set_timer_op,
  __HYPERVISOR_set_trap_table,
  __HYPERVISOR_stack_switch,
  __HYPERVISOR_sysctl,
  __HYPERVISOR_update_descriptor,
  __HYPERVISOR_update_va_mapping,
  __HYPERVISOR_update_va_mapping_otherdomain,
  __HYPERVISOR_vcpu_op,
  __HYPERVISOR_vm_assist,
  __HYPERVISOR_xen_version,
  multicall_entry,
  PHYSDEVOP_set_iopl,
  physdev_set_iopl,
  SEGBASE_FS,
  SEGBASE_GS_KERNEL,
  SEGBASE_GS_USER,
  SEGBASE_GS_USER_SEL,
  VMASST_CMD_disable,
  VMASST_CMD_enable,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
  XEN_EPERM,
} from '@port-xen/abi';
import { ldI64, st64 } from '@port-xen/layout';
import { isCanonical, R8, R10, RAX, RDI, RDX, RSI } from '@port-xen/vcpu';
import { callbackOp, setCallbacks, setTrapTable } from './callback-op.ts';
import { setGdt, updateDescriptor } from './descriptors.ts';
import { eventChannelOp } from './event-channel-op.ts';
import { grantTableOp } from './grant-table-op.ts';
import type { GuestVcpu } from './guest-vcpu.ts';
import { fetchStruct, returnStruct } from './guest-words.ts';
import { memoryOp } from './memory-op.ts';
import { mmuUpdate } from './mmu-update.ts';
import { mmuextOp } from './mmuext-op.ts';
import { schedOp } from './sched-op.ts';
import { iret } from './trap.ts';
import { updateVaMapping, updateVaMappingOtherdomain } from './update-va-mapping.ts';
import { vcpuOp } from './vcpu-op.ts';
import { xenVersion } from './xen-version.ts';

/** What a hypercall costs, ns. */
const HYPERCALL_NS = 300;
const TIMEOUT_FAR_NS = 2 ** 50;
const TIMEOUT_SUBSTITUTE_NS = 100_000_000;
const VM_ASSIST_VALID: ReadonlySet<number> = new Set([0, 1, 2, 3, 4, 5, 32]);
const ARGUMENTS = [RDI, RSI, RDX, R10, R8];
const DEBUGREGS = 8;

/** The five arguments: as Numbers and as halves. */
interface Args {
  /** Signed. */
  readonly a: readonly number[];
  readonly low: readonly number[];
  readonly high: readonly number[];
}

type Handler = (vcpu: GuestVcpu, args: Args) => number;

const setTimer: Handler = (vcpu, { a }) => {
  const timeout = a[0] as number;
  if (timeout === 0) {
    vcpu.stopSingleshot();
    return 0;
  }
  const now = vcpu.domain.xen.clock.now_ns();
  const absurd = timeout < 0 || timeout > now + TIMEOUT_FAR_NS;
  vcpu.armSingleshot(absurd ? now + TIMEOUT_SUBSTITUTE_NS : timeout);
  return 0;
};

const setSegmentBase: Handler = (vcpu, { a, low, high }) => {
  const base = a[1] as number;
  if (low[0] !== SEGBASE_GS_USER_SEL && !isCanonical(high[1] as number)) return -XEN_EINVAL;
  switch (low[0]) {
    case SEGBASE_FS:
      vcpu.fsBase = base;
      return 0;
    case SEGBASE_GS_USER:
      vcpu.gsBaseUser = base;
      return 0;
    case SEGBASE_GS_KERNEL:
      vcpu.gsBaseKernel = base;
      return 0;
    case SEGBASE_GS_USER_SEL:
      vcpu.registers.gs = (low[1] as number) & 0xffff;
      return 0;
    default:
      return -XEN_EINVAL;
  }
};

const stackSwitch: Handler = (vcpu, { a, low, high }) => {
  if (!isCanonical(high[1] as number)) return -XEN_EINVAL;
  vcpu.kernelSs = ((low[0] as number) & 0xffff) | 3;
  vcpu.kernelSp = a[1] as number;
  return 0;
};

const vmAssist: Handler = (vcpu, { low }) => {
  const type = (low[1] as number) >>> 0;
  if (!VM_ASSIST_VALID.has(type)) return -XEN_EINVAL;
  if (low[0] !== VMASST_CMD_enable && low[0] !== VMASST_CMD_disable) return -XEN_ENOSYS;
  vcpu.domain.setVmAssist(type, low[0] === VMASST_CMD_enable);
  return 0;
};

const physdevOp: Handler = (vcpu, { a, low }) => {
  if (low[0] !== PHYSDEVOP_set_iopl) return low[0] === undefined ? -XEN_ENOSYS : -XEN_EPERM;
  const op = fetchStruct(vcpu, physdev_set_iopl, a[1] as number);
  if (op === null) return -XEN_EFAULT;
  if (op.iopl > 3) return -XEN_EINVAL;
  vcpu.iopl = op.iopl;
  return 0;
};

const setDebugreg: Handler = (vcpu, { a, low }) => {
  const register = (low[0] as number) >>> 0;
  if (register >= DEBUGREGS) return -XEN_EINVAL;
  vcpu.debugRegisters[register] = a[1] as number;
  return 0;
};

const getDebugreg: Handler = (vcpu, { low }) =>
  vcpu.debugRegisters[(low[0] as number) >>> 0] ?? -XEN_EINVAL;

const HANDLERS: ReadonlyMap<number, Handler> = new Map<number, Handler>([
  [__HYPERVISOR_set_trap_table, (v, { a }) => setTrapTable(v, a[0] as number)],
  [
    __HYPERVISOR_mmu_update,
    (v, { a, low }) =>
      mmuUpdate(v, a[0] as number, low[1] as number, a[2] as number, low[3] as number),
  ],
  [__HYPERVISOR_set_gdt, (v, { a, low }) => setGdt(v, a[0] as number, low[1] as number)],
  [__HYPERVISOR_stack_switch, stackSwitch],
  [
    __HYPERVISOR_set_callbacks,
    (v, { a, high }) =>
      setCallbacks(v, a[0] as number, a[1] as number, a[2] as number, high.slice(0, 3)),
  ],
  [
    __HYPERVISOR_fpu_taskswitch,
    (v, { low }) => {
      v.taskSwitched = low[0] !== 0;
      return 0;
    },
  ],
  [__HYPERVISOR_platform_op, () => -XEN_EPERM],
  [__HYPERVISOR_set_debugreg, setDebugreg],
  [__HYPERVISOR_get_debugreg, getDebugreg],
  [
    __HYPERVISOR_update_descriptor,
    (v, { low, high }) =>
      updateDescriptor(v, low[0] as number, high[0] as number, low[1] as number, high[1] as number),
  ],
  [__HYPERVISOR_memory_op, (v, { a, low }) => memoryOp(v, low[0] as number, a[1] as number)],
  [
    __HYPERVISOR_update_va_mapping,
    (v, { a, low, high }) =>
      updateVaMapping(v, a[0] as number, low[1] as number, high[1] as number, a[2] as number),
  ],
  [__HYPERVISOR_set_timer_op, setTimer],
  [__HYPERVISOR_xen_version, (v, { a, low }) => xenVersion(v, low[0] as number, a[1] as number)],
  [__HYPERVISOR_console_io, () => -XEN_EPERM],
  [
    __HYPERVISOR_grant_table_op,
    (v, { a, low }) => grantTableOp(v, low[0] as number, a[1] as number, (low[2] as number) >>> 0),
  ],
  [__HYPERVISOR_vm_assist, vmAssist],
  [
    __HYPERVISOR_update_va_mapping_otherdomain,
    (v, { a, low, high }) =>
      updateVaMappingOtherdomain(
        v,
        a[0] as number,
        low[1] as number,
        high[1] as number,
        a[2] as number,
        low[3] as number,
      ),
  ],
  [
    __HYPERVISOR_vcpu_op,
    (v, { a, low }) => vcpuOp(v, low[0] as number, (low[1] as number) >>> 0, a[2] as number),
  ],
  [__HYPERVISOR_set_segment_base, setSegmentBase],
  [
    __HYPERVISOR_mmuext_op,
    (v, { a, low }) =>
      mmuextOp(v, a[0] as number, low[1] as number, a[2] as number, low[3] as number),
  ],
  [__HYPERVISOR_nmi_op, () => -XEN_ENOSYS],
  [__HYPERVISOR_sched_op, (v, { a, low }) => schedOp(v, low[0] as number, a[1] as number)],
  [__HYPERVISOR_callback_op, (v, { a, low }) => callbackOp(v, low[0] as number, a[1] as number)],
  [
    __HYPERVISOR_event_channel_op,
    (v, { a, low }) => eventChannelOp(v, low[0] as number, a[1] as number),
  ],
  [__HYPERVISOR_physdev_op, physdevOp],
  [__HYPERVISOR_sysctl, () => -XEN_EPERM],
  [__HYPERVISOR_domctl, () => -XEN_EPERM],
]);

const call = (vcpu: GuestVcpu, number: number, args: Args): number => {
  const { trace } = vcpu.domain.xen.sim;
  const handler = HANDLERS.get(number);
  const result = handler === undefined ? -XEN_ENOSYS : handler(vcpu, args);
  if (trace.on) trace.emit('hypercall', vcpu.domain.domid, number, ...args.a, result);
  return result;
};

/** HYPERVISOR_multicall(entries, count): a failure does not stop the batch, iret ends it. */
const multicall = (vcpu: GuestVcpu, array: number, count: number): number => {
  for (let i = 0; i < count; i++) {
    const at = array + i * multicall_entry.size;
    const entry = fetchStruct(vcpu, multicall_entry, at);
    if (entry === null) return -XEN_EFAULT;
    const { op } = entry;
    if (op === __HYPERVISOR_iret) {
      iret(vcpu);
      return 0;
    }
    const words = [0, 1, 2, 3, 4].map((j) => entry.args.address(j));
    const result =
      op === __HYPERVISOR_multicall
        ? -XEN_EINVAL
        : call(vcpu, op, {
            a: words.map((w) => ldI64(entry.memory, w)),
            low: words.map((w) => entry.memory.ld32(w)),
            high: words.map((w) => entry.memory.ld32(w + 4)),
          });
    st64(entry.memory, entry.address + multicall_entry.offset.result, result);
    if (!returnStruct(vcpu, multicall_entry, at, entry)) return -XEN_EFAULT;
  }
  return 0;
};

/** SYSCALL in guest-kernel mode. */
export const hypercall = (vcpu: GuestVcpu): void => {
  const { registers: r, domain } = vcpu;
  vcpu.spend(HYPERCALL_NS);
  // A domain that has ended makes no more hypercalls; its engine has been told to stop.
  if (!domain.runnable) {
    r.set(RAX, -XEN_EPERM);
    return;
  }
  const number = r.low(RAX) >>> 0;
  if (number === __HYPERVISOR_iret) {
    const { trace } = domain.xen.sim;
    if (trace.on) trace.emit('hypercall', domain.domid, number);
    iret(vcpu);
    return;
  }
  if (number === __HYPERVISOR_multicall) {
    r.set(RAX, multicall(vcpu, r.get(RDI), r.low(RSI) >>> 0));
    return;
  }
  const result = call(vcpu, number, {
    a: ARGUMENTS.map((register) => r.get(register)),
    low: ARGUMENTS.map((register) => r.low(register)),
    high: ARGUMENTS.map((register) => r.high(register)),
  });
  r.set(RAX, result);
};
