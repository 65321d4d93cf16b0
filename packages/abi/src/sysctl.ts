/*
 * What a toolstack asks of the host.
 *
 * xen/include/public/sysctl.h
 */
import { array, bytes, i64, nest, struct, u16, u32, u64, union } from '@port-xen/layout';

export const XEN_SYSCTL_COVERAGE_get_size = 0;
export const XEN_SYSCTL_CPU_HOTPLUG_ONLINE = 0;
export const XEN_SYSCTL_LIVEPATCH_UPLOAD = 0;
export const XEN_SYSCTL_PSR_CMT_get_total_rmid = 0;
export const XEN_SYSCTL_PSR_get_l3_info = 0;
export const XEN_SYSCTL_SCHEDOP_putinfo = 0;
export const XEN_SYSCTL_TBUFOP_get_info = 0;
export const XEN_SYSCTL_cpu_featureset_raw = 0;
export const XEN_SYSCTL_cpu_policy_raw = 0;
export const XEN_SYSCTL_COVERAGE_read = 1;
export const XEN_SYSCTL_CPUPOOL_OP_CREATE = 1;
export const XEN_SYSCTL_CPU_HOTPLUG_OFFLINE = 1;
export const XEN_SYSCTL_CPU_LEVELCAP_faulting = 1;
export const XEN_SYSCTL_CSCHED_TSLICE_MIN = 1;
export const XEN_SYSCTL_LIVEPATCH_GET = 1;
export const XEN_SYSCTL_LOCKPROF_reset = 1;
export const XEN_SYSCTL_PERFCOP_reset = 1;
export const XEN_SYSCTL_PHYSCAP_hvm = 1;
export const XEN_SYSCTL_PSR_CAT_L3_CDP = 1;
export const XEN_SYSCTL_PSR_CMT_get_l3_upscaling_factor = 1;
export const XEN_SYSCTL_PSR_MBA_LINEAR = 1;
export const XEN_SYSCTL_PSR_get_l2_info = 1;
export const XEN_SYSCTL_SCHEDOP_getinfo = 1;
export const XEN_SYSCTL_TBUFOP_set_cpu_mask = 1;
export const XEN_SYSCTL_cpu_featureset_host = 1;
export const XEN_SYSCTL_cpu_policy_host = 1;
export const XEN_SYSCTL_readconsole = 1;
export const XEN_SYSCTL_COVERAGE_reset = 2;
export const XEN_SYSCTL_CPUPOOL_OP_DESTROY = 2;
export const XEN_SYSCTL_CPU_HOTPLUG_SMT_ENABLE = 2;
export const XEN_SYSCTL_CPU_LEVELCAP_ecx = 2;
export const XEN_SYSCTL_LIVEPATCH_LIST = 2;
export const XEN_SYSCTL_LOCKPROF_query = 2;
export const XEN_SYSCTL_PERFCOP_query = 2;
export const XEN_SYSCTL_PHYSCAP_pv = 2;
export const XEN_SYSCTL_PSR_CMT_get_l3_cache_size = 2;
export const XEN_SYSCTL_PSR_get_mba_info = 2;
export const XEN_SYSCTL_TBUFOP_set_evt_mask = 2;
export const XEN_SYSCTL_cpu_featureset_pv = 2;
export const XEN_SYSCTL_cpu_policy_pv_max = 2;
export const XEN_SYSCTL_tbuf_op = 2;
export const XEN_SYSCTL_CPUPOOL_OP_INFO = 3;
export const XEN_SYSCTL_CPU_HOTPLUG_SMT_DISABLE = 3;
export const XEN_SYSCTL_LIVEPATCH_ACTION = 3;
export const XEN_SYSCTL_PSR_CMT_enabled = 3;
export const XEN_SYSCTL_TBUFOP_set_size = 3;
export const XEN_SYSCTL_cpu_featureset_hvm = 3;
export const XEN_SYSCTL_cpu_policy_hvm_max = 3;
export const XEN_SYSCTL_physinfo = 3;
export const XEN_SYSCTL_CPUPOOL_OP_ADDCPU = 4;
export const XEN_SYSCTL_CPU_LEVELCAP_edx = 4;
export const XEN_SYSCTL_PHYSCAP_directio = 4;
export const XEN_SYSCTL_PSR_CMT_get_l3_event_mask = 4;
export const XEN_SYSCTL_TBUFOP_enable = 4;
export const XEN_SYSCTL_cpu_featureset_pv_max = 4;
export const XEN_SYSCTL_cpu_policy_pv_default = 4;
export const XEN_SYSCTL_sched_id = 4;
export const XEN_SYSCTL_CPUPOOL_OP_RMCPU = 5;
export const XEN_SYSCTL_TBUFOP_disable = 5;
export const XEN_SYSCTL_cpu_featureset_hvm_max = 5;
export const XEN_SYSCTL_cpu_policy_hvm_default = 5;
export const XEN_SYSCTL_perfc_op = 5;
export const XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN = 6;
export const XEN_SYSCTL_getdomaininfolist = 6;
export const XEN_SYSCTL_CPUPOOL_OP_FREEINFO = 7;
export const XEN_SYSCTL_debug_keys = 7;
export const XEN_SYSCTL_CPU_LEVELCAP_extd_ecx = 8;
export const XEN_SYSCTL_PHYSCAP_hap = 8;
export const XEN_SYSCTL_getcpuinfo = 8;
export const XEN_SYSCTL_availheap = 9;
export const XEN_SYSCTL_get_pmstat = 10;
export const XEN_SYSCTL_cpu_hotplug = 11;
export const XEN_SYSCTL_pm_op = 12;
export const XEN_SYSCTL_page_offline_op = 14;
export const XEN_SYSCTL_lockprof_op = 15;
export const XEN_SYSCTL_CPU_LEVELCAP_extd_edx = 16;
export const XEN_SYSCTL_PHYSCAP_shadow = 16;
export const XEN_SYSCTL_cputopoinfo = 16;
export const XEN_SYSCTL_numainfo = 17;
export const XEN_SYSCTL_cpupool_op = 18;
export const XEN_SYSCTL_scheduler_op = 19;
export const XEN_SYSCTL_coverage_op = 20;
export const XEN_SYSCTL_INTERFACE_VERSION = 21;
export const XEN_SYSCTL_psr_cmt_op = 21;
export const XEN_SYSCTL_pcitopoinfo = 22;
export const XEN_SYSCTL_psr_alloc = 23;
export const XEN_SYSCTL_get_cpu_levelling_caps = 25;
export const XEN_SYSCTL_get_cpu_featureset = 26;
export const XEN_SYSCTL_livepatch_op = 27;
export const XEN_SYSCTL_get_cpu_policy = 29;
export const XEN_SYSCTL_CPU_LEVELCAP_xsave_eax = 32;
export const XEN_SYSCTL_PHYSCAP_iommu_hap_pt_share = 32;
export const XEN_SYSCTL_pm_op_set_sched_opt_smt = 33;
export const XEN_SYSCTL_pm_op_get_max_cstate = 34;
export const XEN_SYSCTL_pm_op_set_max_cstate = 35;
export const XEN_SYSCTL_pm_op_set_vcpu_migration_delay = 36;
export const XEN_SYSCTL_pm_op_get_vcpu_migration_delay = 37;
export const XEN_SYSCTL_pm_op_enable_turbo = 38;
export const XEN_SYSCTL_pm_op_disable_turbo = 39;
export const XEN_SYSCTL_CPU_LEVELCAP_thermal_ecx = 64;
export const XEN_SYSCTL_PHYSCAP_vmtrace = 64;
export const XEN_SYSCTL_SCHED_RATELIMIT_MIN = 100;
export const XEN_SYSCTL_CPU_LEVELCAP_l7s0_eax = 128;
export const XEN_SYSCTL_PHYSCAP_vpmu = 128;
export const XEN_SYSCTL_CPU_LEVELCAP_l7s0_ebx = 0x100;
export const XEN_SYSCTL_PHYSCAP_gnttab_v1 = 0x100;
export const XEN_SYSCTL_PHYSCAP_MAX = 0x200;
export const XEN_SYSCTL_PHYSCAP_gnttab_v2 = 0x200;
export const XEN_SYSCTL_CSCHED_TSLICE_MAX = 0x3e8;
export const XEN_SYSCTL_CSCHED_MGR_DLY_MAX_US = 0x186a0;
export const XEN_SYSCTL_SCHED_RATELIMIT_MAX = 0x7a120;
export const XEN_SYSCTL_CPUPOOL_PAR_ANY = 0xffffffff;
export const XEN_SYSCTL_CX_UNLIMITED = 0xffffffff;

/** The operation's own struct is laid over this. */
const xen_sysctl_u = union('xen_sysctl_u', { pad: bytes(128) });

/** `struct xen_sysctl`, 136 bytes. */
export const xen_sysctl = struct('xen_sysctl', {
  cmd: u32,
  interface_version: u32,
  u: nest(xen_sysctl_u),
});

/** `struct xen_sysctl_physinfo`, 112 bytes. */
export const xen_sysctl_physinfo = struct('xen_sysctl_physinfo', {
  threads_per_core: u32,
  cores_per_socket: u32,
  nr_cpus: u32,
  max_cpu_id: u32,
  nr_nodes: u32,
  max_node_id: u32,
  cpu_khz: u32,
  capabilities: u32,
  arch_capabilities: u32,
  pad: u32,
  total_pages: u64,
  free_pages: u64,
  scrub_pages: u64,
  outstanding_pages: u64,
  max_mfn: u64,
  hw_cap: array(u32, 8),
});

/** `struct xen_sysctl_getdomaininfolist`, 24 bytes. */
export const xen_sysctl_getdomaininfolist = struct('xen_sysctl_getdomaininfolist', {
  first_domain: u16,
  max_domains: u32,
  buffer: i64,
  num_domains: u32,
});

/** `struct xen_sysctl_cpu_policy`, 32 bytes. */
export const xen_sysctl_cpu_policy = struct('xen_sysctl_cpu_policy', {
  index: u32,
  nr_leaves: u32,
  nr_msrs: u32,
  _rsvd: u32,
  leaves: i64,
  msrs: i64,
});
