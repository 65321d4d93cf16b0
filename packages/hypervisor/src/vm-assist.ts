/*
 * HYPERVISOR_vm_assist(cmd, type) (vm_assist, xen/common/domain.c): what the domain wants Xen to do for it, or to show it.
 */
import {
  VMASST_CMD_disable,
  VMASST_CMD_enable,
  VMASST_TYPE_4gb_segments,
  VMASST_TYPE_4gb_segments_notify,
  VMASST_TYPE_architectural_iopl,
  VMASST_TYPE_m2p_strict,
  VMASST_TYPE_pae_extended_cr3,
  VMASST_TYPE_runstate_update_flag,
  VMASST_TYPE_writable_pagetables,
  XEN_EINVAL,
  XEN_ENOSYS,
} from '@port-xen/abi';
import type { GuestVcpu } from './guest-vcpu.ts';

/** Those that a 64-bit PV domain may name. */
const VALID: ReadonlySet<number> = new Set([
  VMASST_TYPE_4gb_segments,
  VMASST_TYPE_4gb_segments_notify,
  VMASST_TYPE_writable_pagetables,
  VMASST_TYPE_pae_extended_cr3,
  VMASST_TYPE_architectural_iopl,
  VMASST_TYPE_runstate_update_flag,
  VMASST_TYPE_m2p_strict,
]);

/** @returns 0, -EINVAL: no such type, -ENOSYS: no such command */
export const vmAssist = (vcpu: GuestVcpu, cmd: number, type: number): number => {
  if (!VALID.has(type)) return -XEN_EINVAL;
  if (cmd !== VMASST_CMD_enable && cmd !== VMASST_CMD_disable) return -XEN_ENOSYS;
  vcpu.domain.setVmAssist(type, cmd === VMASST_CMD_enable);
  return 0;
};
