/*
 * Entry points: set_trap_table, callback_op, set_callbacks, nmi_op.
 */
import {
  __HYPERVISOR_set_trap_table,
  CALLBACKF_mask_events,
  CALLBACKOP_register,
  CALLBACKOP_unregister,
  CALLBACKTYPE_event,
  CALLBACKTYPE_failsafe,
  CALLBACKTYPE_nmi,
  CALLBACKTYPE_syscall,
  CALLBACKTYPE_syscall32,
  CALLBACKTYPE_sysenter,
  callback_register,
  callback_unregister,
  FLAT_KERNEL_CS,
  TRAP_nmi,
  trap_info,
  VGCF_failsafe_disables_events,
  VGCF_syscall_disables_events,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
  XENNMI_register_callback,
  XENNMI_unregister_callback,
  xennmi_callback,
} from '@port-xen/abi';
import { ldI64 } from '@port-xen/layout';
import { isCanonical, isCanonicalAddress } from '@port-xen/vcpu';
import type { GuestVcpu } from './guest-vcpu.ts';
import { fetchStruct } from './guest-words.ts';
import type { HypercallArgs } from './hypercall-args.ts';
import { TI_MASK } from './trap.ts';

/** A selector's RPL becomes 3: the guest kernel runs in ring 3. */
const RPL = 3;

/** HYPERVISOR_set_trap_table(table): entries up to one without an address; 0 forgets all. Continued after every few. */
export const setTrapTable = (vcpu: GuestVcpu, table: number): number => {
  if (table === 0) {
    vcpu.traps.length = 0;
    return 0;
  }
  for (let at = table; ; at += trap_info.size) {
    if (at !== table && vcpu.preemptCheck()) {
      return vcpu.hypercallContinuation(__HYPERVISOR_set_trap_table, at);
    }
    const entry = fetchStruct(vcpu, trap_info, at);
    if (entry === null) return -XEN_EFAULT;
    const word = entry.address + trap_info.offset.address_;
    const address = ldI64(entry.memory, word);
    if (address === 0) return 0;
    if (!isCanonical(entry.memory.ld32(word + 4))) return -XEN_EINVAL;
    vcpu.traps[entry.vector] = { flags: entry.flags, cs: entry.cs | RPL, address };
  }
};

/** Sets or clears a flag of the vCPU's. */
const setFlag = (vcpu: GuestVcpu, flag: number, on: boolean): void => {
  vcpu.vgcfFlags = on ? vcpu.vgcfFlags | flag : vcpu.vgcfFlags & ~flag;
};

/** The handler of NMIs is an entry of the trap table. */
const registerNmi = (vcpu: GuestVcpu, address: number): number => {
  vcpu.traps[TRAP_nmi] = { flags: TI_MASK, cs: FLAT_KERNEL_CS, address };
  return 0;
};

const register = (vcpu: GuestVcpu, type: number, address: number, masks: boolean): number => {
  switch (type) {
    case CALLBACKTYPE_event:
      vcpu.eventCallback = address;
      return 0;
    case CALLBACKTYPE_failsafe:
      vcpu.failsafeCallback = address;
      setFlag(vcpu, VGCF_failsafe_disables_events, masks);
      return 0;
    case CALLBACKTYPE_syscall:
      vcpu.syscallCallback = address;
      setFlag(vcpu, VGCF_syscall_disables_events, masks);
      return 0;
    case CALLBACKTYPE_syscall32:
      vcpu.syscall32Callback = address;
      vcpu.syscall32Masks = masks;
      return 0;
    case CALLBACKTYPE_sysenter:
      vcpu.sysenterCallback = address;
      vcpu.sysenterMasks = masks;
      return 0;
    case CALLBACKTYPE_nmi:
      return registerNmi(vcpu, address);
    default:
      return -XEN_ENOSYS;
  }
};

const unregister = (vcpu: GuestVcpu, type: number): number => {
  switch (type) {
    case CALLBACKTYPE_event:
    case CALLBACKTYPE_failsafe:
    case CALLBACKTYPE_syscall:
    case CALLBACKTYPE_syscall32:
    case CALLBACKTYPE_sysenter:
      return -XEN_EINVAL;
    case CALLBACKTYPE_nmi:
      vcpu.traps[TRAP_nmi] = undefined;
      return 0;
    default:
      return -XEN_ENOSYS;
  }
};

/** HYPERVISOR_callback_op(cmd, arg). */
export const callbackOp = (vcpu: GuestVcpu, cmd: number, arg: number): number => {
  if (cmd === CALLBACKOP_register) {
    const op = fetchStruct(vcpu, callback_register, arg);
    if (op === null) return -XEN_EFAULT;
    const at = op.address + callback_register.offset.address_;
    if (!isCanonical(op.memory.ld32(at + 4))) return -XEN_EINVAL;
    return register(vcpu, op.type, ldI64(op.memory, at), (op.flags & CALLBACKF_mask_events) !== 0);
  }
  if (cmd === CALLBACKOP_unregister) {
    const op = fetchStruct(vcpu, callback_unregister, arg);
    return op === null ? -XEN_EFAULT : unregister(vcpu, op.type);
  }
  return -XEN_ENOSYS;
};

/** HYPERVISOR_nmi_op(cmd, arg). */
export const nmiOp = (vcpu: GuestVcpu, cmd: number, arg: number): number => {
  if (cmd === XENNMI_unregister_callback) return unregister(vcpu, CALLBACKTYPE_nmi);
  if (cmd !== XENNMI_register_callback) return -XEN_ENOSYS;
  const op = fetchStruct(vcpu, xennmi_callback, arg);
  if (op === null) return -XEN_EFAULT;
  const address = ldI64(op.memory, op.address + xennmi_callback.offset.handler_address);
  return isCanonicalAddress(address) ? registerNmi(vcpu, address) : -XEN_EINVAL;
};

/** HYPERVISOR_set_callbacks(event, failsafe, syscall): what is not an address is passed over, without an error. */
export const setCallbacks = (vcpu: GuestVcpu, args: HypercallArgs): number => {
  [CALLBACKTYPE_event, CALLBACKTYPE_failsafe, CALLBACKTYPE_syscall].forEach((type, i) => {
    if (isCanonical(args.highOf(i))) register(vcpu, type, args.number(i), false);
  });
  return 0;
};
