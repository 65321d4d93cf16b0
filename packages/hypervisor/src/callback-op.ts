/*
 * Entry points: set_trap_table, callback_op, set_callbacks, nmi_op.
 */
import {
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
  trap_info,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
} from '@port-xen/abi';
import { ldI64 } from '@port-xen/layout';
import { isCanonical } from '@port-xen/vcpu';
import type { GuestVcpu } from './guest-vcpu.ts';
import { fetchStruct } from './guest-words.ts';

const VECTORS = 256;
/** A selector's RPL becomes 3: the guest kernel runs in ring 3. */
const RPL = 3;

/** HYPERVISOR_set_trap_table(table): entries up to one without an address; 0 forgets all. */
export const setTrapTable = (vcpu: GuestVcpu, table: number): number => {
  if (table === 0) {
    vcpu.traps.length = 0;
    return 0;
  }
  for (let i = 0; i < VECTORS + 1; i++) {
    const entry = fetchStruct(vcpu, trap_info, table + i * trap_info.size);
    if (entry === null) return -XEN_EFAULT;
    const at = entry.address + trap_info.offset.address_;
    const high = entry.memory.ld32(at + 4);
    const address = ldI64(entry.memory, at);
    if (address === 0) return 0;
    if (!isCanonical(high)) return -XEN_EINVAL;
    vcpu.traps[entry.vector] = { flags: entry.flags, cs: entry.cs | RPL, address };
  }
  return 0;
};

const register = (vcpu: GuestVcpu, type: number, address: number, masks: boolean): number => {
  switch (type) {
    case CALLBACKTYPE_event:
      vcpu.eventCallback = address;
      return 0;
    case CALLBACKTYPE_failsafe:
      vcpu.failsafeCallback = address;
      vcpu.failsafeMasks = masks;
      return 0;
    case CALLBACKTYPE_syscall:
      vcpu.syscallCallback = address;
      vcpu.syscallMasks = masks;
      return 0;
    case CALLBACKTYPE_syscall32:
      vcpu.syscall32Callback = address;
      return 0;
    case CALLBACKTYPE_sysenter:
      vcpu.sysenterCallback = address;
      return 0;
    case CALLBACKTYPE_nmi:
      vcpu.nmiCallback = address;
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
    if (op === null) return -XEN_EFAULT;
    if (op.type === CALLBACKTYPE_nmi) {
      vcpu.nmiCallback = 0;
      return 0;
    }
    return op.type <= CALLBACKTYPE_syscall32 ? -XEN_EINVAL : -XEN_ENOSYS;
  }
  return -XEN_ENOSYS;
};

/** HYPERVISOR_set_callbacks(event, failsafe, syscall). @param highs high halves, for the canonical check */
export const setCallbacks = (
  vcpu: GuestVcpu,
  event: number,
  failsafe: number,
  syscall: number,
  highs: readonly number[],
): number => {
  if (!highs.every(isCanonical)) return -XEN_EINVAL;
  vcpu.eventCallback = event;
  vcpu.failsafeCallback = failsafe;
  vcpu.syscallCallback = syscall;
  return 0;
};
