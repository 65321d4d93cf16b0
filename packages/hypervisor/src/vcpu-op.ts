/*
 * HYPERVISOR_vcpu_op (xen/common/domain.c).
 */
import {
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
  vcpu_info,
  vcpu_register_vcpu_info,
  vcpu_runstate_info,
  vcpu_set_periodic_timer,
  vcpu_set_singleshot_timer,
  XEN_EEXIST,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOENT,
  XEN_ENOSYS,
  XEN_ETIME,
} from '@port-xen/abi';
import { BytesMemory, st64 } from '@port-xen/layout';
import { holdFrame } from './grant-mapping.ts';
import { copyFromGuest, copyToGuest } from './guest-copy.ts';
import type { GuestVcpu } from './guest-vcpu.ts';
import { fetchStruct, fetchU64 } from './guest-words.ts';
import { applyContext } from './vcpu-context.ts';

const PERIOD_MIN_NS = 1_000_000;

/** Where a runstate goes. */
const runstateBytes = (vcpu: GuestVcpu): Uint8Array => {
  vcpu.setRunstate(vcpu.runstate);
  const bytes = new Uint8Array(vcpu_runstate_info.size);
  const memory = new BytesMemory(bytes);
  const info = vcpu_runstate_info.at(memory, 0);
  info.state = vcpu.runstate;
  info.state_entry_time = vcpu.runstateEntered_ns;
  vcpu.runstateTimes.forEach((time, i) => {
    st64(memory, info.time.address(i), time);
  });
  return bytes;
};

/** VCPUOP_register_vcpu_info: nothing that was pending is lost. */
const registerInfo = (vcpu: GuestVcpu, mfn: number, offset: number): number => {
  const { domain } = vcpu;
  const { memory } = domain.host;
  if (offset > 4096 - vcpu_info.size || vcpu.registeredInfoMfn >= 0) return -XEN_EINVAL;
  if (!(mfn < 2 ** 31) || !holdFrame(domain.host, mfn, domain.domid, true)) return -XEN_EINVAL;
  const address = mfn * 4096 + offset;
  const bytes = new Uint8Array(vcpu_info.size);
  memory.read(vcpu.infoAddress, bytes);
  memory.write(address, bytes);
  vcpu.registeredInfoMfn = mfn;
  vcpu.infoAddress = address;
  const info = vcpu_info.at(memory, address);
  info.evtchn_upcall_pending = 1;
  memory.st32(address + vcpu_info.offset.evtchn_pending_sel, -1);
  memory.st32(address + vcpu_info.offset.evtchn_pending_sel + 4, -1);
  domain.host.markDirty(mfn);
  return 0;
};

/** HYPERVISOR_vcpu_op(cmd, vcpuid, arg). */
export const vcpuOp = (caller: GuestVcpu, cmd: number, id: number, arg: number): number => {
  const { domain } = caller;
  const vcpu = domain.vcpus[id];
  if (vcpu === undefined) return -XEN_ENOENT;
  const own = vcpu === caller;
  switch (cmd) {
    case VCPUOP_initialise: {
      if (vcpu.initialised) return -XEN_EEXIST;
      const context = new Uint8Array(vcpu_guest_context.size);
      if (!copyFromGuest(caller, arg, context)) return -XEN_EFAULT;
      return applyContext(vcpu, context);
    }
    case VCPUOP_up:
      if (!vcpu.initialised) return -XEN_EINVAL;
      vcpu.online = true;
      vcpu.schedule();
      return 0;
    case VCPUOP_down:
      vcpu.online = false;
      vcpu.stop = true;
      return 0;
    case VCPUOP_is_up:
      return vcpu.online ? 1 : 0;
    case VCPUOP_get_runstate_info:
      return copyToGuest(caller, arg, runstateBytes(vcpu)) ? 0 : -XEN_EFAULT;
    case VCPUOP_register_runstate_memory_area: {
      const address = fetchU64(caller, arg);
      if (address === undefined) return -XEN_EFAULT;
      vcpu.runstateAddress = address;
      return own && !copyToGuest(caller, signed(address), runstateBytes(vcpu)) ? -XEN_EFAULT : 0;
    }
    case VCPUOP_register_vcpu_time_memory_area: {
      const address = fetchU64(caller, arg);
      if (address === undefined) return -XEN_EFAULT;
      vcpu.timeAddress = address;
      return 0;
    }
    case VCPUOP_set_periodic_timer: {
      const op = fetchStruct(caller, vcpu_set_periodic_timer, arg);
      if (op === null) return -XEN_EFAULT;
      if (!own || op.period_ns < PERIOD_MIN_NS || op.period_ns > 2 ** 53) return -XEN_EINVAL;
      vcpu.setPeriod(op.period_ns);
      return 0;
    }
    case VCPUOP_stop_periodic_timer:
      vcpu.setPeriod(0);
      return 0;
    case VCPUOP_set_singleshot_timer: {
      const op = fetchStruct(caller, vcpu_set_singleshot_timer, arg);
      if (op === null) return -XEN_EFAULT;
      if (!own) return -XEN_EINVAL;
      const past = op.timeout_abs_ns < domain.xen.clock.now_ns();
      if (past && (op.flags & VCPU_SSHOTTMR_future) !== 0) return -XEN_ETIME;
      vcpu.armSingleshot(Math.min(op.timeout_abs_ns, 2 ** 53));
      return 0;
    }
    case VCPUOP_stop_singleshot_timer:
      if (!own) return -XEN_EINVAL;
      vcpu.stopSingleshot();
      return 0;
    case VCPUOP_register_vcpu_info: {
      const op = fetchStruct(caller, vcpu_register_vcpu_info, arg);
      if (op === null) return -XEN_EFAULT;
      if (!own && vcpu.online) return -XEN_EINVAL;
      return registerInfo(vcpu, op.mfn, op.offset);
    }
    case VCPUOP_send_nmi:
      return vcpu.nmiCallback === 0 ? -XEN_EINVAL : 0;
    case VCPUOP_get_physid:
      return -XEN_EINVAL;
    default:
      return -XEN_ENOSYS;
  }
};

/** An address read as an unsigned word. */
const signed = (address: number): number => (address >= 2 ** 63 ? address - 2 ** 64 : address);
