/*
 * What the fields of domctl's structs may hold, operation by operation; what is asked of operations that are several.
 *
 * xen/include/public/domctl.h
 */

// XEN_DOMCTL_createdomain: flags.
export const XEN_DOMCTL_CDF_hvm = 1;
export const XEN_DOMCTL_CDF_hap = 2;
export const XEN_DOMCTL_CDF_s3_integrity = 4;
export const XEN_DOMCTL_CDF_oos_off = 8;
export const XEN_DOMCTL_CDF_xs_domain = 16;
export const XEN_DOMCTL_CDF_iommu = 32;
export const XEN_DOMCTL_CDF_nested_virt = 64;
export const XEN_DOMCTL_CDF_MAX = 128;
export const XEN_DOMCTL_CDF_vpmu = 128;

// XEN_DOMCTL_createdomain: grant_opts.
export const XEN_DOMCTL_GRANT_version_mask = 15;

// XEN_DOMCTL_createdomain: iommu_opts.
export const XEN_DOMCTL_IOMMU_MAX = 1;
export const XEN_DOMCTL_IOMMU_no_sharept = 1;

// XEN_DOMCTL_getdomaininfo: flags.
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

// XEN_DOMCTL_getpageframeinfo3: what it makes of each MFN.
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

// XEN_DOMCTL_shadow_op.
export const XEN_DOMCTL_SHADOW_OP_OFF = 0;
export const XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL = 1;
export const XEN_DOMCTL_SHADOW_OP_ENABLE_TEST = 1;
export const XEN_DOMCTL_SHADOW_ENABLE_REFCOUNT = 2;
export const XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY = 2;
export const XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY = 4;
export const XEN_DOMCTL_SHADOW_ENABLE_TRANSLATE = 8;
export const XEN_DOMCTL_SHADOW_OP_CLEAN = 11;
export const XEN_DOMCTL_SHADOW_OP_PEEK = 12;
export const XEN_DOMCTL_SHADOW_ENABLE_EXTERNAL = 16;
export const XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION = 30;
export const XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION = 31;
export const XEN_DOMCTL_SHADOW_OP_ENABLE = 32;

// XEN_DOMCTL_scheduler_op.
export const XEN_DOMCTL_SCHEDOP_putinfo = 0;
export const XEN_DOMCTL_SCHEDOP_getinfo = 1;
export const XEN_DOMCTL_SCHEDRT_extra = 1;
export const XEN_DOMCTL_SCHEDOP_putvcpuinfo = 2;
export const XEN_DOMCTL_SCHEDOP_getvcpuinfo = 3;

// XEN_DOMCTL_sendtrigger.
export const XEN_DOMCTL_SENDTRIGGER_NMI = 0;
export const XEN_DOMCTL_SENDTRIGGER_RESET = 1;
export const XEN_DOMCTL_SENDTRIGGER_INIT = 2;
export const XEN_DOMCTL_SENDTRIGGER_POWER = 3;
export const XEN_DOMCTL_SENDTRIGGER_SLEEP = 4;

// XEN_DOMCTL_bind_pt_irq: gflags.
export const XEN_DOMCTL_VMSI_X86_DEST_ID_MASK = 255;
export const XEN_DOMCTL_VMSI_X86_RH_MASK = 0x100;
export const XEN_DOMCTL_VMSI_X86_DM_MASK = 0x200;
export const XEN_DOMCTL_VMSI_X86_DELIV_MASK = 0x7000;
export const XEN_DOMCTL_VMSI_X86_TRIG_MASK = 0x8000;
export const XEN_DOMCTL_VMSI_X86_UNMASKED = 0x10000;

// XEN_DOMCTL_pin_mem_cacheattr, an operation that was taken out.
export const XEN_DOMCTL_MEM_CACHEATTR_UC = 0;
export const XEN_DOMCTL_MEM_CACHEATTR_WC = 1;
export const XEN_DOMCTL_MEM_CACHEATTR_WT = 4;
export const XEN_DOMCTL_MEM_CACHEATTR_WP = 5;
export const XEN_DOMCTL_MEM_CACHEATTR_WB = 6;
export const XEN_DOMCTL_MEM_CACHEATTR_UCM = 7;
export const XEN_DOMCTL_DELETE_MEM_CACHEATTR = 0xffffffff;

// XEN_DOMCTL_assign_device.
export const XEN_DOMCTL_DEV_PCI = 0;
export const XEN_DOMCTL_DEV_DT = 1;
export const XEN_DOMCTL_DEV_RDM_RELAXED = 1;

// XEN_DOMCTL_debug_op.
export const XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_OFF = 0;
export const XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_ON = 1;

// XEN_DOMCTL_vm_event_op.
export const XEN_DOMCTL_VM_EVENT_OP_PAGING = 1;
export const XEN_DOMCTL_VM_EVENT_OP_MONITOR = 2;
export const XEN_DOMCTL_VM_EVENT_OP_SHARING = 3;

// XEN_DOMCTL_mem_sharing_op.
export const XEN_DOMCTL_MEM_SHARING_CONTROL = 0;

// XEN_DOMCTL_monitor_op.
export const XEN_DOMCTL_MONITOR_EVENT_WRITE_CTRLREG = 0;
export const XEN_DOMCTL_MONITOR_OP_ENABLE = 0;
export const XEN_DOMCTL_MONITOR_EVENT_MOV_TO_MSR = 1;
export const XEN_DOMCTL_MONITOR_OP_DISABLE = 1;
export const XEN_DOMCTL_MONITOR_EVENT_SINGLESTEP = 2;
export const XEN_DOMCTL_MONITOR_OP_GET_CAPABILITIES = 2;
export const XEN_DOMCTL_MONITOR_EVENT_SOFTWARE_BREAKPOINT = 3;
export const XEN_DOMCTL_MONITOR_OP_EMULATE_EACH_REP = 3;
export const XEN_DOMCTL_MONITOR_EVENT_GUEST_REQUEST = 4;
export const XEN_DOMCTL_MONITOR_OP_CONTROL_REGISTERS = 4;
export const XEN_DOMCTL_MONITOR_EVENT_DEBUG_EXCEPTION = 5;
export const XEN_DOMCTL_MONITOR_EVENT_CPUID = 6;
export const XEN_DOMCTL_MONITOR_EVENT_PRIVILEGED_CALL = 7;
export const XEN_DOMCTL_MONITOR_EVENT_INTERRUPT = 8;
export const XEN_DOMCTL_MONITOR_EVENT_DESC_ACCESS = 9;
export const XEN_DOMCTL_MONITOR_EVENT_EMUL_UNIMPLEMENTED = 10;
export const XEN_DOMCTL_MONITOR_EVENT_INGUEST_PAGEFAULT = 11;
export const XEN_DOMCTL_MONITOR_EVENT_VMEXIT = 12;

// XEN_DOMCTL_psr_cmt_op.
export const XEN_DOMCTL_PSR_CMT_OP_DETACH = 0;
export const XEN_DOMCTL_PSR_CMT_OP_ATTACH = 1;
export const XEN_DOMCTL_PSR_CMT_OP_QUERY_RMID = 2;

// XEN_DOMCTL_psr_alloc.
export const XEN_DOMCTL_PSR_SET_L3_CBM = 0;
export const XEN_DOMCTL_PSR_GET_L3_CBM = 1;
export const XEN_DOMCTL_PSR_SET_L3_CODE = 2;
export const XEN_DOMCTL_PSR_SET_L3_DATA = 3;
export const XEN_DOMCTL_PSR_GET_L3_CODE = 4;
export const XEN_DOMCTL_PSR_GET_L3_DATA = 5;
export const XEN_DOMCTL_PSR_SET_L2_CBM = 6;
export const XEN_DOMCTL_PSR_GET_L2_CBM = 7;
export const XEN_DOMCTL_PSR_SET_MBA_THRTL = 8;
export const XEN_DOMCTL_PSR_GET_MBA_THRTL = 9;

// XEN_DOMCTL_vuart_op.
export const XEN_DOMCTL_VUART_OP_INIT = 0;
export const XEN_DOMCTL_VUART_TYPE_VPL011 = 0;

// XEN_DOMCTL_vmtrace_op.
export const XEN_DOMCTL_vmtrace_enable = 1;
export const XEN_DOMCTL_vmtrace_disable = 2;
export const XEN_DOMCTL_vmtrace_reset_and_enable = 3;
export const XEN_DOMCTL_vmtrace_output_position = 4;
export const XEN_DOMCTL_vmtrace_get_option = 5;
export const XEN_DOMCTL_vmtrace_set_option = 6;
