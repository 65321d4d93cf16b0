/*
 * Addresses, limits and emulation flags.
 *
 * xen/include/public/xen.h, arch-x86/xen.h, arch-x86/cpuid.h
 */
export const HYPERVISOR_VIRT_START = -0x800000000000;
export const HYPERVISOR_VIRT_END = -0x780000000000;
export const MACH2PHYS_NR_ENTRIES = 0x800000000;
export const MACH2PHYS_VIRT_START = -0x800000000000;
export const MACH2PHYS_VIRT_END = -0x7fc000000000;
export const MAX_GUEST_CMDLINE = 0x400;
export const XEN_X86_EMU_LAPIC = 1;
export const XEN_X86_MSR_RELAXED = 1;
export const XEN_X86_EMU_HPET = 2;
export const XEN_X86_EMU_PM = 4;
export const XEN_X86_EMU_RTC = 8;
export const XEN_X86_EMU_IOAPIC = 16;
export const XEN_X86_EMU_PIC = 32;
export const XEN_X86_EMU_VGA = 64;
export const XEN_X86_EMU_IOMMU = 128;
export const XEN_X86_EMU_PIT = 0x100;
export const XEN_X86_EMU_USE_PIRQ = 0x200;
export const XEN_X86_EMU_VPCI = 0x400;
export const XEN_X86_EMU_ALL = 0x7ff;
export const XEN_CPUID_NO_SUBLEAF = 0xffffffff;
export const XEN_LEGACY_MAX_VCPUS = 32;
export const XEN_PVCLOCK_TSC_STABLE_BIT = 1;
export const XEN_PVCLOCK_GUEST_STOPPED = 2;
export const __XEN_LATEST_INTERFACE_VERSION__ = 0x40e00;
