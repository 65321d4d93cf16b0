/*
 * Page-table updates.
 *
 * xen/include/public/xen.h
 */
import { i64, nest, struct, u32, u64, union } from '@port-xen/layout';

export const MMU_MACHPHYS_UPDATE = 1;
export const MMU_NORMAL_PT_UPDATE = 0;
export const MMU_PT_UPDATE_PRESERVE_AD = 2;
export const MMU_PT_UPDATE_NO_TRANSLATE = 3;

export const UVMF_LOCAL = 0;
export const UVMF_MULTI = 0;
export const UVMF_NONE = 0;
export const UVMF_INVLPG = 2;
export const UVMF_ALL = 4;
export const UVMF_FLUSHTYPE_MASK = 3;
export const UVMF_TLB_FLUSH = 1;

export const MMUEXT_CLEAR_PAGE = 16;
export const MMUEXT_COPY_PAGE = 17;
export const MMUEXT_FLUSH_CACHE = 12;
export const MMUEXT_FLUSH_CACHE_GLOBAL = 18;
export const MMUEXT_INVLPG_LOCAL = 7;
export const MMUEXT_INVLPG_MULTI = 9;
export const MMUEXT_INVLPG_ALL = 11;
export const MMUEXT_MARK_SUPER = 19;
export const MMUEXT_NEW_BASEPTR = 5;
export const MMUEXT_NEW_USER_BASEPTR = 15;
export const MMUEXT_PIN_L1_TABLE = 0;
export const MMUEXT_PIN_L2_TABLE = 1;
export const MMUEXT_PIN_L3_TABLE = 2;
export const MMUEXT_PIN_L4_TABLE = 3;
export const MMUEXT_SET_LDT = 13;
export const MMUEXT_TLB_FLUSH_LOCAL = 6;
export const MMUEXT_TLB_FLUSH_MULTI = 8;
export const MMUEXT_TLB_FLUSH_ALL = 10;
export const MMUEXT_UNMARK_SUPER = 20;
export const MMUEXT_UNPIN_TABLE = 4;

export const VMASST_CMD_enable = 0;
export const VMASST_CMD_disable = 1;
export const VMASST_TYPE_4gb_segments = 0;
export const VMASST_TYPE_4gb_segments_notify = 1;
export const VMASST_TYPE_writable_pagetables = 2;
export const VMASST_TYPE_pae_extended_cr3 = 3;
export const VMASST_TYPE_architectural_iopl = 4;
export const VMASST_TYPE_runstate_update_flag = 5;
export const VMASST_TYPE_m2p_strict = 32;

/** `struct mmu_update`, 16 bytes. */
export const mmu_update = struct('mmu_update', {
  ptr: u64,
  val: u64,
});

const mmuext_op_arg1 = union('mmuext_op_arg1', {
  mfn: u64,
  linear_addr: u64,
});
const mmuext_op_arg2 = union('mmuext_op_arg2', {
  nr_ents: u32,
  vcpumask: i64,
  src_mfn: u64,
});
/** `struct mmuext_op`, 24 bytes. */
export const mmuext_op = struct('mmuext_op', {
  cmd: u32,
  arg1: nest(mmuext_op_arg1),
  arg2: nest(mmuext_op_arg2),
});
