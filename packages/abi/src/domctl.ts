/*
 * What a toolstack asks of Xen.
 *
 * xen/include/public/domctl.h, arch-x86/xen.h, arch-x86/hvm/save.h, xen.h
 */
import { array, bytes, i32, i64, nest, struct, u8, u16, u32, u64, union } from '@port-xen/layout';

export const XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_OFF = 0;
export const XEN_DOMCTL_DEV_PCI = 0;
export const XEN_DOMCTL_MEM_CACHEATTR_UC = 0;
export const XEN_DOMCTL_MEM_SHARING_CONTROL = 0;
export const XEN_DOMCTL_MONITOR_EVENT_WRITE_CTRLREG = 0;
export const XEN_DOMCTL_MONITOR_OP_ENABLE = 0;
export const XEN_DOMCTL_PSR_CMT_OP_DETACH = 0;
export const XEN_DOMCTL_PSR_SET_L3_CBM = 0;
export const XEN_DOMCTL_SCHEDOP_putinfo = 0;
export const XEN_DOMCTL_SENDTRIGGER_NMI = 0;
export const XEN_DOMCTL_SHADOW_OP_OFF = 0;
export const XEN_DOMCTL_VUART_OP_INIT = 0;
export const XEN_DOMCTL_VUART_TYPE_VPL011 = 0;
export const XEN_DOMCTL_CDF_hvm = 1;
export const XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_ON = 1;
export const XEN_DOMCTL_DEV_DT = 1;
export const XEN_DOMCTL_DEV_RDM_RELAXED = 1;
export const XEN_DOMCTL_IOMMU_MAX = 1;
export const XEN_DOMCTL_IOMMU_no_sharept = 1;
export const XEN_DOMCTL_MEM_CACHEATTR_WC = 1;
export const XEN_DOMCTL_MONITOR_EVENT_MOV_TO_MSR = 1;
export const XEN_DOMCTL_MONITOR_OP_DISABLE = 1;
export const XEN_DOMCTL_PSR_CMT_OP_ATTACH = 1;
export const XEN_DOMCTL_PSR_GET_L3_CBM = 1;
export const XEN_DOMCTL_SCHEDOP_getinfo = 1;
export const XEN_DOMCTL_SCHEDRT_extra = 1;
export const XEN_DOMCTL_SENDTRIGGER_RESET = 1;
export const XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL = 1;
export const XEN_DOMCTL_SHADOW_OP_ENABLE_TEST = 1;
export const XEN_DOMCTL_VM_EVENT_OP_PAGING = 1;
export const XEN_DOMCTL_createdomain = 1;
export const XEN_DOMCTL_vmtrace_enable = 1;
export const XEN_DOMCTL_CDF_hap = 2;
export const XEN_DOMCTL_MONITOR_EVENT_SINGLESTEP = 2;
export const XEN_DOMCTL_MONITOR_OP_GET_CAPABILITIES = 2;
export const XEN_DOMCTL_PSR_CMT_OP_QUERY_RMID = 2;
export const XEN_DOMCTL_PSR_SET_L3_CODE = 2;
export const XEN_DOMCTL_SCHEDOP_putvcpuinfo = 2;
export const XEN_DOMCTL_SENDTRIGGER_INIT = 2;
export const XEN_DOMCTL_SHADOW_ENABLE_REFCOUNT = 2;
export const XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY = 2;
export const XEN_DOMCTL_VM_EVENT_OP_MONITOR = 2;
export const XEN_DOMCTL_destroydomain = 2;
export const XEN_DOMCTL_vmtrace_disable = 2;
export const XEN_DOMCTL_MONITOR_EVENT_SOFTWARE_BREAKPOINT = 3;
export const XEN_DOMCTL_MONITOR_OP_EMULATE_EACH_REP = 3;
export const XEN_DOMCTL_PSR_SET_L3_DATA = 3;
export const XEN_DOMCTL_SCHEDOP_getvcpuinfo = 3;
export const XEN_DOMCTL_SENDTRIGGER_POWER = 3;
export const XEN_DOMCTL_VM_EVENT_OP_SHARING = 3;
export const XEN_DOMCTL_pausedomain = 3;
export const XEN_DOMCTL_vmtrace_reset_and_enable = 3;
export const XEN_DOMCTL_CDF_s3_integrity = 4;
export const XEN_DOMCTL_MEM_CACHEATTR_WT = 4;
export const XEN_DOMCTL_MONITOR_EVENT_GUEST_REQUEST = 4;
export const XEN_DOMCTL_MONITOR_OP_CONTROL_REGISTERS = 4;
export const XEN_DOMCTL_PSR_GET_L3_CODE = 4;
export const XEN_DOMCTL_SENDTRIGGER_SLEEP = 4;
export const XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY = 4;
export const XEN_DOMCTL_unpausedomain = 4;
export const XEN_DOMCTL_vmtrace_output_position = 4;
export const XEN_DOMCTL_MEM_CACHEATTR_WP = 5;
export const XEN_DOMCTL_MONITOR_EVENT_DEBUG_EXCEPTION = 5;
export const XEN_DOMCTL_PSR_GET_L3_DATA = 5;
export const XEN_DOMCTL_getdomaininfo = 5;
export const XEN_DOMCTL_vmtrace_get_option = 5;
export const XEN_DOMCTL_MEM_CACHEATTR_WB = 6;
export const XEN_DOMCTL_MONITOR_EVENT_CPUID = 6;
export const XEN_DOMCTL_PSR_SET_L2_CBM = 6;
export const XEN_DOMCTL_vmtrace_set_option = 6;
export const XEN_DOMCTL_MEM_CACHEATTR_UCM = 7;
export const XEN_DOMCTL_MONITOR_EVENT_PRIVILEGED_CALL = 7;
export const XEN_DOMCTL_PSR_GET_L2_CBM = 7;
export const XEN_DOMCTL_CDF_oos_off = 8;
export const XEN_DOMCTL_MONITOR_EVENT_INTERRUPT = 8;
export const XEN_DOMCTL_PSR_SET_MBA_THRTL = 8;
export const XEN_DOMCTL_SHADOW_ENABLE_TRANSLATE = 8;
export const XEN_DOMCTL_MONITOR_EVENT_DESC_ACCESS = 9;
export const XEN_DOMCTL_PSR_GET_MBA_THRTL = 9;
export const XEN_DOMCTL_setvcpuaffinity = 9;
export const XEN_DOMCTL_MONITOR_EVENT_EMUL_UNIMPLEMENTED = 10;
export const XEN_DOMCTL_shadow_op = 10;
export const XEN_DOMCTL_MONITOR_EVENT_INGUEST_PAGEFAULT = 11;
export const XEN_DOMCTL_SHADOW_OP_CLEAN = 11;
export const XEN_DOMCTL_max_mem = 11;
export const XEN_DOMCTL_MONITOR_EVENT_VMEXIT = 12;
export const XEN_DOMCTL_SHADOW_OP_PEEK = 12;
export const XEN_DOMCTL_setvcpucontext = 12;
export const XEN_DOMCTL_getvcpucontext = 13;
export const XEN_DOMCTL_getvcpuinfo = 14;
export const XEN_DOMCTL_GRANT_version_mask = 15;
export const XEN_DOMCTL_max_vcpus = 15;
export const XEN_DOMCTL_CDF_xs_domain = 16;
export const XEN_DOMCTL_SHADOW_ENABLE_EXTERNAL = 16;
export const XEN_DOMCTL_scheduler_op = 16;
export const XEN_DOMCTL_setdomainhandle = 17;
export const XEN_DOMCTL_setdebugging = 18;
export const XEN_DOMCTL_irq_permission = 19;
export const XEN_DOMCTL_iomem_permission = 20;
export const XEN_DOMCTL_INTERFACE_VERSION = 21;
export const XEN_DOMCTL_ioport_permission = 21;
export const XEN_DOMCTL_hypercall_init = 22;
export const XEN_DOMCTL_settimeoffset = 24;
export const XEN_DOMCTL_getvcpuaffinity = 25;
export const XEN_DOMCTL_real_mode_area = 26;
export const XEN_DOMCTL_resumedomain = 27;
export const XEN_DOMCTL_sendtrigger = 28;
export const XEN_DOMCTL_subscribe = 29;
export const XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION = 30;
export const XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION = 31;
export const XEN_DOMCTL_CDF_iommu = 32;
export const XEN_DOMCTL_SHADOW_OP_ENABLE = 32;
export const XEN_DOMCTL_gethvmcontext = 33;
export const XEN_DOMCTL_sethvmcontext = 34;
export const XEN_DOMCTL_set_address_size = 35;
export const XEN_DOMCTL_get_address_size = 36;
export const XEN_DOMCTL_assign_device = 37;
export const XEN_DOMCTL_bind_pt_irq = 38;
export const XEN_DOMCTL_memory_mapping = 39;
export const XEN_DOMCTL_ioport_mapping = 40;
export const XEN_DOMCTL_set_ext_vcpucontext = 42;
export const XEN_DOMCTL_get_ext_vcpucontext = 43;
export const XEN_DOMCTL_set_opt_feature = 44;
export const XEN_DOMCTL_test_assign_device = 45;
export const XEN_DOMCTL_set_target = 46;
export const XEN_DOMCTL_deassign_device = 47;
export const XEN_DOMCTL_unbind_pt_irq = 48;
export const XEN_DOMCTL_get_device_group = 50;
export const XEN_DOMCTL_debug_op = 54;
export const XEN_DOMCTL_gethvmcontext_partial = 55;
export const XEN_DOMCTL_vm_event_op = 56;
export const XEN_DOMCTL_mem_sharing_op = 57;
export const XEN_DOMCTL_gettscinfo = 59;
export const XEN_DOMCTL_settscinfo = 60;
export const XEN_DOMCTL_getpageframeinfo3 = 61;
export const XEN_DOMCTL_setvcpuextstate = 62;
export const XEN_DOMCTL_getvcpuextstate = 63;
export const XEN_DOMCTL_CDF_nested_virt = 64;
export const XEN_DOMCTL_set_access_required = 64;
export const XEN_DOMCTL_audit_p2m = 65;
export const XEN_DOMCTL_set_virq_handler = 66;
export const XEN_DOMCTL_set_broken_page_p2m = 67;
export const XEN_DOMCTL_setnodeaffinity = 68;
export const XEN_DOMCTL_getnodeaffinity = 69;
export const XEN_DOMCTL_cacheflush = 71;
export const XEN_DOMCTL_get_vcpu_msrs = 72;
export const XEN_DOMCTL_set_vcpu_msrs = 73;
export const XEN_DOMCTL_setvnumainfo = 74;
export const XEN_DOMCTL_psr_cmt_op = 75;
export const XEN_DOMCTL_monitor_op = 77;
export const XEN_DOMCTL_psr_alloc = 78;
export const XEN_DOMCTL_soft_reset = 79;
export const XEN_DOMCTL_vuart_op = 81;
export const XEN_DOMCTL_get_cpu_policy = 82;
export const XEN_DOMCTL_set_cpu_policy = 83;
export const XEN_DOMCTL_vmtrace_op = 84;
export const XEN_DOMCTL_get_paging_mempool_size = 85;
export const XEN_DOMCTL_set_paging_mempool_size = 86;
export const XEN_DOMCTL_CDF_MAX = 128;
export const XEN_DOMCTL_CDF_vpmu = 128;
export const XEN_DOMCTL_VMSI_X86_DEST_ID_MASK = 255;
export const XEN_DOMCTL_VMSI_X86_RH_MASK = 0x100;
export const XEN_DOMCTL_VMSI_X86_DM_MASK = 0x200;
export const XEN_DOMCTL_gdbsx_guestmemio = 0x3e8;
export const XEN_DOMCTL_gdbsx_pausevcpu = 0x3e9;
export const XEN_DOMCTL_gdbsx_unpausevcpu = 0x3ea;
export const XEN_DOMCTL_gdbsx_domstatus = 0x3eb;
export const XEN_DOMCTL_VMSI_X86_DELIV_MASK = 0x7000;
export const XEN_DOMCTL_VMSI_X86_TRIG_MASK = 0x8000;
export const XEN_DOMCTL_VMSI_X86_UNMASKED = 0x10000;
export const XEN_DOMCTL_DELETE_MEM_CACHEATTR = 0xffffffff;

export const XEN_DOMINF_dying = 1;
export const XEN_DOMINF_hvm_guest = 2;
export const XEN_DOMINF_shutdown = 4;
export const XEN_DOMINF_paused = 8;
export const XEN_DOMINF_blocked = 16;
export const XEN_DOMINF_shutdownshift = 16;
export const XEN_DOMINF_running = 32;
export const XEN_DOMINF_debugged = 64;
export const XEN_DOMINF_xs_domain = 128;
export const XEN_DOMINF_shutdownmask = 255;
export const XEN_DOMINF_hap = 0x100;

export const XEN_DOMCTL_PFINFO_NOTAB = 0;
export const XEN_DOMCTL_PFINFO_LTAB_SHIFT = 28;
export const XEN_DOMCTL_PFINFO_L1TAB = 0x10000000;
export const XEN_DOMCTL_PFINFO_L2TAB = 0x20000000;
export const XEN_DOMCTL_PFINFO_L3TAB = 0x30000000;
export const XEN_DOMCTL_PFINFO_L4TAB = 0x40000000;
export const XEN_DOMCTL_PFINFO_LTABTYPE_MASK = 0x70000000;
export const XEN_DOMCTL_PFINFO_LPINTAB = 0x80000000;
export const XEN_DOMCTL_PFINFO_BROKEN = 0xd0000000;
export const XEN_DOMCTL_PFINFO_XALLOC = 0xe0000000;
export const XEN_DOMCTL_PFINFO_LTAB_MASK = 0xf0000000;
export const XEN_DOMCTL_PFINFO_XTAB = 0xf0000000;

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
