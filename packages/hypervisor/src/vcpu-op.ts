/*
 * HYPERVISOR_vcpu_op (do_vcpu_op, xen/common/domain.c; arch_do_vcpu_op, x86/domain.c).
 */
import {
  TRAP_nmi,
  VCPU_SSHOTTMR_future,
  VCPUOP_down,
  VCPUOP_get_physid,
  VCPUOP_get_runstate_info,
  VCPUOP_initialise,
  VCPUOP_is_up,
  VCPUOP_register_runstate_memory_area,
  VCPUOP_register_vcpu_info,
  VCPUOP_register_vcpu_time_memory_area,
  VCPUOP_send_nmi,
  VCPUOP_set_periodic_timer,
  VCPUOP_set_singleshot_timer,
  VCPUOP_stop_periodic_timer,
  VCPUOP_stop_singleshot_timer,
  VCPUOP_up,
  vcpu_guest_context,
  vcpu_register_vcpu_info,
  vcpu_set_periodic_timer,
  vcpu_set_singleshot_timer,
  XEN_EEXIST,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOENT,
  XEN_ENOSYS,
  XEN_ETIME,
} from '@port-xen/abi';
import { copyFromGuest, copyToGuest, isGuestAddress } from './guest-copy.ts';
import type { GuestVcpu } from './guest-vcpu.ts';
import { fetchI64, fetchStruct } from './guest-words.ts';
import { applyContext } from './vcpu-context.ts';
import { registerInfo } from './vcpu-info.ts';

const PERIOD_MIN_NS = 1_000_000;
/** STIME_DELTA_MAX. */
const PERIOD_MAX_NS = 2 ** 62;

/** What has its layout from Xen 3's vcpu_info: a domain without one is not offered it. */
const REGISTERS: ReadonlySet<number> = new Set([
  VCPUOP_register_vcpu_info,
  VCPUOP_register_vcpu_time_memory_area,
]);

/** HYPERVISOR_vcpu_op(cmd, vcpuid, arg). */
export const vcpuOp = (caller: GuestVcpu, cmd: number, id: number, arg: number): number => {
  const { vcpus, layout } = caller.domain;
  const vcpu = vcpus[id];
  if (vcpu === undefined) return -XEN_ENOENT;
  if (!layout.registers && REGISTERS.has(cmd)) return -XEN_ENOSYS;
  switch (cmd) {
    case VCPUOP_initialise:
      return initialise(caller, vcpu, arg);
    case VCPUOP_up:
      if (!vcpu.initialised) return -XEN_EINVAL;
      vcpu.online = true;
      vcpu.schedule();
      return 0;
    case VCPUOP_down:
      return down(vcpu);
    case VCPUOP_is_up:
      return vcpu.online ? 1 : 0;
    case VCPUOP_get_runstate_info:
      return copyToGuest(caller, arg, vcpu.runstate.bytes(true)) ? 0 : -XEN_EFAULT;
    case VCPUOP_register_runstate_memory_area: {
      const address = fetchI64(caller, arg);
      if (address === undefined || !isGuestAddress(address)) return -XEN_EFAULT;
      vcpu.runstate.area = address;
      copyToGuest(caller, address, vcpu.runstate.bytes(vcpu !== caller));
      return 0;
    }
    case VCPUOP_register_vcpu_time_memory_area: {
      const address = fetchI64(caller, arg);
      if (address === undefined || !isGuestAddress(address)) return -XEN_EFAULT;
      vcpu.time.area = address;
      if (vcpu === caller) vcpu.time.update();
      return 0;
    }
    case VCPUOP_register_vcpu_info: {
      const op = fetchStruct(caller, vcpu_register_vcpu_info, arg);
      return op === null ? -XEN_EFAULT : registerInfo(caller, vcpu, op.mfn, op.offset);
    }
    case VCPUOP_send_nmi:
      if (vcpu.traps[TRAP_nmi] === undefined) return -XEN_EINVAL;
      vcpu.nmiPending = true;
      vcpu.stop = true;
      vcpu.kick();
      return 0;
    case VCPUOP_get_physid:
      return -XEN_EINVAL;
    default:
      return timerOp(caller, vcpu, cmd, arg);
  }
};

/** VCPUOP_initialise. */
const initialise = (caller: GuestVcpu, vcpu: GuestVcpu, arg: number): number => {
  const context = new Uint8Array(vcpu_guest_context.size);
  if (!copyFromGuest(caller, arg, context)) return -XEN_EFAULT;
  return vcpu.initialised ? -XEN_EEXIST : applyContext(vcpu, context);
};

/** VCPUOP_down: the last one that goes powers the domain off. */
const down = (vcpu: GuestVcpu): number => {
  const { domain } = vcpu;
  if (!domain.vcpus.some((other) => other !== vcpu && other.online)) domain.shutdown(0);
  else {
    vcpu.online = false;
    vcpu.halt();
  }
  return 0;
};

/** The timers: a vCPU has a say only in its own singleshot timer. */
const timerOp = (caller: GuestVcpu, vcpu: GuestVcpu, cmd: number, arg: number): number => {
  switch (cmd) {
    case VCPUOP_set_periodic_timer: {
      const op = fetchStruct(caller, vcpu_set_periodic_timer, arg);
      if (op === null) return -XEN_EFAULT;
      const sane = op.period_ns >= PERIOD_MIN_NS && op.period_ns < PERIOD_MAX_NS;
      if (sane) vcpu.timers.setPeriod(op.period_ns);
      return sane ? 0 : -XEN_EINVAL;
    }
    case VCPUOP_stop_periodic_timer:
      vcpu.timers.setPeriod(0);
      return 0;
    case VCPUOP_set_singleshot_timer: {
      if (vcpu !== caller) return -XEN_EINVAL;
      const op = fetchStruct(caller, vcpu_set_singleshot_timer, arg);
      if (op === null) return -XEN_EFAULT;
      const { clock } = vcpu.domain.xen;
      const at = op.address + vcpu_set_singleshot_timer.offset.timeout_abs_ns;
      const high = op.memory.ld32(at + 4);
      const timeout_ns = clock.hostTime_ns(op.memory.ld32(at), high);
      // A time of 2^63 and more is the future where it is compared, and a past one to the timer, whose times are signed.
      const past = high >= 0 && timeout_ns < clock.now_ns();
      if (past && (op.flags & VCPU_SSHOTTMR_future) !== 0) return -XEN_ETIME;
      vcpu.timers.arm(timeout_ns);
      return 0;
    }
    case VCPUOP_stop_singleshot_timer:
      if (vcpu !== caller) return -XEN_EINVAL;
      vcpu.timers.disarm();
      return 0;
    default:
      return -XEN_ENOSYS;
  }
};
