/*
 * The page that Xen 2 and a domain share: one vCPU, 1024 event channels in words of 32 bits, and the time. The control interface lies in the
 * same page, 2048 bytes after it (domain-controller.ts). The layout is i386's; Xen 2 declares these structs packed.
 *
 * Xen 2.0: xen/include/public/xen.h, arch-x86_32.h
 */
import { array, bytes, nest, packed, u8, u32, u64 } from '@port-xen/layout';

/** Event channels of a domain. */
export const XEN2_NR_EVENT_CHANNELS = 1024;
/** vCPUs of a domain. */
export const XEN2_MAX_VIRT_CPUS = 1;

/**
 * Where Xen leaves the address of a page fault, in shared_info's page: right after the struct, 8 bytes. Xen 2 pushed it on an i386 stack, for
 * which the frames of x86-64 have no place, and Xen 3's place is another field's here.
 */
export const XEN2_CR2_OFFSET = 344;

/** An entry of `shared_info_t.vcpu_data`, 4 bytes. */
export const xen2_vcpu_data = packed('xen2_vcpu_data', {
  evtchn_upcall_pending: u8,
  evtchn_upcall_mask: u8,
  pad: bytes(2),
});

/** `arch_shared_info_t`, 16 bytes. The frame list is the number of one frame that holds the P2M's frames in sequence. */
export const xen2_arch_shared_info = packed('xen2_arch_shared_info', {
  mfn_to_pfn_start: u64,
  pfn_to_mfn_frame_list: u64,
});

/**
 * `shared_info_t`, 344 bytes. Times are nanoseconds, `cpu_freq` hertz, wall clock seconds and microseconds. `time_version1` is counted on
 * before the times are written and `time_version2` after.
 */
export const xen2_shared_info = packed('xen2_shared_info', {
  vcpu_data: array(xen2_vcpu_data, XEN2_MAX_VIRT_CPUS),
  evtchn_pending: array(u32, 32),
  evtchn_pending_sel: u32,
  evtchn_mask: array(u32, 32),
  cpu_freq: u64,
  time_version1: u32,
  time_version2: u32,
  tsc_timestamp: u64,
  system_time: u64,
  wc_sec: u32,
  wc_usec: u32,
  domain_time: u64,
  wall_timeout: u64,
  domain_timeout: u64,
  arch: nest(xen2_arch_shared_info),
});
