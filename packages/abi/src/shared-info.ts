/*
 * The page that Xen and a domain share.
 *
 * xen/include/public/xen.h, arch-x86/xen.h
 */
import { array, i8, nest, struct, u8, u32, u64 } from '@port-xen/layout';

/** `struct arch_vcpu_info`, 16 bytes. */
export const arch_vcpu_info = struct('arch_vcpu_info', {
  cr2: u64,
  pad: u64,
});

/** `struct vcpu_time_info`, 32 bytes. */
export const vcpu_time_info = struct('vcpu_time_info', {
  version: u32,
  pad0: u32,
  tsc_timestamp: u64,
  system_time: u64,
  tsc_to_system_mul: u32,
  tsc_shift: i8,
  flags: u8,
  pad1: array(u8, 2),
});

/** `struct vcpu_info`, 64 bytes. */
export const vcpu_info = struct('vcpu_info', {
  evtchn_upcall_pending: u8,
  evtchn_upcall_mask: u8,
  evtchn_pending_sel: u64,
  arch: nest(arch_vcpu_info),
  time: nest(vcpu_time_info),
});

/** `struct arch_shared_info`, 48 bytes. */
export const arch_shared_info = struct('arch_shared_info', {
  max_pfn: u64,
  pfn_to_mfn_frame_list_list: u64,
  nmi_reason: u64,
  p2m_cr3: u64,
  p2m_vaddr: u64,
  p2m_generation: u64,
});

/** `struct shared_info`, 3136 bytes. */
export const shared_info = struct('shared_info', {
  vcpu_info: array(vcpu_info, 32),
  evtchn_pending: array(u64, 64),
  evtchn_mask: array(u64, 64),
  wc_version: u32,
  wc_sec: u32,
  wc_nsec: u32,
  wc_sec_hi: u32,
  arch: nest(arch_shared_info),
});
