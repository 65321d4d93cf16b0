/*
 * What a toolstack asks of Xen: the structs. (Commands: domctl-command.ts; what the fields hold: domctl-value.ts.)
 *
 * xen/include/public/domctl.h, arch-x86/xen.h, arch-x86/hvm/save.h, xen.h
 */
import { array, bytes, i32, i64, nest, struct, u8, u16, u32, u64, union } from '@port-xen/layout';

/** `struct xenctl_bitmap`, 16 bytes. */
export const xenctl_bitmap = struct('xenctl_bitmap', {
  bitmap: i64,
  nr_bits: u32,
});

/** `struct xen_arch_domainconfig`, 8 bytes. */
export const xen_arch_domainconfig = struct('xen_arch_domainconfig', {
  emulation_flags: u32,
  misc_flags: u32,
});

/** `struct xen_cpuid_leaf`, 24 bytes. */
export const xen_cpuid_leaf = struct('xen_cpuid_leaf', {
  leaf: u32,
  subleaf: u32,
  a: u32,
  b: u32,
  c: u32,
  d: u32,
});

/** `struct xen_msr_entry`, 16 bytes. */
export const xen_msr_entry = struct('xen_msr_entry', {
  idx: u32,
  flags: u32,
  val: u64,
});

export const hvm_vmce_vcpu = struct('hvm_vmce_vcpu', {
  caps: u64,
  mci_ctl2_bank0: u64,
  mci_ctl2_bank1: u64,
  mcg_ext_ctl: u64,
});

/** `struct xen_domctl_shadow_op_stats`, 8 bytes. */
export const xen_domctl_shadow_op_stats = struct('xen_domctl_shadow_op_stats', {
  fault_count: u32,
  dirty_count: u32,
});

/** The operation's own struct is laid over this. */
const xen_domctl_u = union('xen_domctl_u', { pad: bytes(128) });

/** `struct xen_domctl`, 144 bytes. */
export const xen_domctl = struct('xen_domctl', {
  cmd: u32,
  interface_version: u32,
  domain: u16,
  _pad: array(u16, 3),
  u: nest(xen_domctl_u),
});

/** `struct xen_domctl_createdomain`, 64 bytes. */
export const xen_domctl_createdomain = struct('xen_domctl_createdomain', {
  ssidref: u32,
  handle: bytes(16),
  flags: u32,
  iommu_opts: u32,
  max_vcpus: u32,
  max_evtchn_port: u32,
  max_grant_frames: i32,
  max_maptrack_frames: i32,
  grant_opts: u32,
  vmtrace_size: u32,
  cpupool_id: u32,
  arch: nest(xen_arch_domainconfig),
});

/** `struct xen_domctl_getdomaininfo`, 112 bytes. */
export const xen_domctl_getdomaininfo = struct('xen_domctl_getdomaininfo', {
  domain: u16,
  pad1: u16,
  flags: u32,
  tot_pages: u64,
  max_pages: u64,
  outstanding_pages: u64,
  shr_pages: u64,
  paged_pages: u64,
  shared_info_frame: u64,
  cpu_time: u64,
  nr_online_vcpus: u32,
  max_vcpu_id: u32,
  ssidref: u32,
  handle: bytes(16),
  cpupool: u32,
  gpaddr_bits: u8,
  pad2: array(u8, 7),
  arch_config: nest(xen_arch_domainconfig),
});

/** `struct xen_domctl_getpageframeinfo3`, 16 bytes. */
export const xen_domctl_getpageframeinfo3 = struct('xen_domctl_getpageframeinfo3', {
  num: u64,
  array: i64,
});

/** `struct xen_domctl_vcpucontext`, 16 bytes. */
export const xen_domctl_vcpucontext = struct('xen_domctl_vcpucontext', {
  vcpu: u32,
  ctxt: i64,
});

/** `struct xen_domctl_getvcpuinfo`, 24 bytes. */
export const xen_domctl_getvcpuinfo = struct('xen_domctl_getvcpuinfo', {
  vcpu: u32,
  online: u8,
  blocked: u8,
  running: u8,
  cpu_time: u64,
  cpu: u32,
});

/** `struct xen_domctl_ext_vcpucontext`, 64 bytes. */
export const xen_domctl_ext_vcpucontext = struct('xen_domctl_ext_vcpucontext', {
  vcpu: u32,
  size: u32,
  syscall32_callback_eip: u64,
  sysenter_callback_eip: u64,
  syscall32_callback_cs: u16,
  sysenter_callback_cs: u16,
  syscall32_disables_events: u8,
  sysenter_disables_events: u8,
  vmce: nest(hvm_vmce_vcpu),
});

/** `struct xen_domctl_vcpuextstate`, 32 bytes. */
export const xen_domctl_vcpuextstate = struct('xen_domctl_vcpuextstate', {
  vcpu: u32,
  xfeature_mask: u64,
  size: u64,
  buffer: i64,
});

/** `struct xen_domctl_vcpu_msr`, 16 bytes. */
export const xen_domctl_vcpu_msr = struct('xen_domctl_vcpu_msr', {
  index: u32,
  reserved: u32,
  value: u64,
});

/** `struct xen_domctl_vcpu_msrs`, 16 bytes. */
export const xen_domctl_vcpu_msrs = struct('xen_domctl_vcpu_msrs', {
  vcpu: u32,
  msr_count: u32,
  msrs: i64,
});

/** `struct xen_domctl_tsc_info`, 24 bytes. */
export const xen_domctl_tsc_info = struct('xen_domctl_tsc_info', {
  tsc_mode: u32,
  gtsc_khz: u32,
  incarnation: u32,
  pad: u32,
  elapsed_nsec: u64,
});

/** `struct xen_domctl_shadow_op`, 40 bytes. */
export const xen_domctl_shadow_op = struct('xen_domctl_shadow_op', {
  op: u32,
  mode: u32,
  mb: u32,
  dirty_bitmap: i64,
  pages: u64,
  stats: nest(xen_domctl_shadow_op_stats),
});

/** `struct xen_domctl_max_mem`, 8 bytes. */
export const xen_domctl_max_mem = struct('xen_domctl_max_mem', {
  max_memkb: u64,
});

/** `struct xen_domctl_max_vcpus`, 4 bytes. */
export const xen_domctl_max_vcpus = struct('xen_domctl_max_vcpus', {
  max: u32,
});

/** `struct xen_domctl_hypercall_init`, 8 bytes. */
export const xen_domctl_hypercall_init = struct('xen_domctl_hypercall_init', {
  gmfn: u64,
});

/** `struct xen_domctl_address_size`, 4 bytes. */
export const xen_domctl_address_size = struct('xen_domctl_address_size', {
  size: u32,
});

/** `struct xen_domctl_settimeoffset`, 8 bytes. */
export const xen_domctl_settimeoffset = struct('xen_domctl_settimeoffset', {
  time_offset_seconds: i64,
});

/** `struct xen_domctl_setdomainhandle`, 16 bytes. */
export const xen_domctl_setdomainhandle = struct('xen_domctl_setdomainhandle', {
  handle: bytes(16),
});

/** `struct xen_domctl_cpu_policy`, 40 bytes. */
export const xen_domctl_cpu_policy = struct('xen_domctl_cpu_policy', {
  nr_leaves: u32,
  nr_msrs: u32,
  leaves: i64,
  msrs: i64,
  err_leaf: u32,
  err_subleaf: u32,
  err_msr: u32,
});

/** `struct xen_domctl_subscribe`, 4 bytes. */
export const xen_domctl_subscribe = struct('xen_domctl_subscribe', {
  port: u32,
});

/** `struct xen_domctl_vcpuaffinity`, 40 bytes. */
export const xen_domctl_vcpuaffinity = struct('xen_domctl_vcpuaffinity', {
  vcpu: u32,
  flags: u32,
  cpumap_hard: nest(xenctl_bitmap),
  cpumap_soft: nest(xenctl_bitmap),
});
