/*
 * Physical devices.
 *
 * xen/include/public/physdev.h
 */
import { i32, i64, struct, u16, u32, u64 } from '@port-xen/layout';

export const BIND_PIRQ__WILL_SHARE = 1;

export const MAP_PIRQ_TYPE_MSI = 0;
export const MAP_PIRQ_TYPE_GSI = 1;
export const MAP_PIRQ_TYPE_UNKNOWN = 2;
export const MAP_PIRQ_TYPE_MSI_SEG = 3;
export const MAP_PIRQ_TYPE_MULTI_MSI = 4;

export const PHYSDEVOP_eoi = 12;
export const PHYSDEVOP_DBGP_BUS_UNKNOWN = 0;
export const PHYSDEVOP_DBGP_BUS_PCI = 1;
export const PHYSDEVOP_DBGP_RESET_PREPARE = 1;
export const PHYSDEVOP_DBGP_RESET_DONE = 2;
export const PHYSDEVOP_IRQ_UNMASK_NOTIFY = 4;
export const PHYSDEVOP_alloc_irq_vector = 10;
export const PHYSDEVOP_apic_read = 8;
export const PHYSDEVOP_apic_write = 9;
export const PHYSDEVOP_dbgp_op = 29;
export const PHYSDEVOP_free_irq_vector = 11;
export const PHYSDEVOP_get_free_pirq = 23;
export const PHYSDEVOP_irq_status_query = 5;
export const PHYSDEVOP_manage_pci_add = 15;
export const PHYSDEVOP_manage_pci_remove = 16;
export const PHYSDEVOP_manage_pci_add_ext = 20;
export const PHYSDEVOP_map_pirq = 13;
export const PHYSDEVOP_pci_mmcfg_reserved = 24;
export const PHYSDEVOP_pci_device_add = 25;
export const PHYSDEVOP_pci_device_remove = 26;
export const PHYSDEVOP_pirq_eoi_gmfn_v1 = 17;
export const PHYSDEVOP_pirq_eoi_gmfn = 28;
export const PHYSDEVOP_pirq_eoi_gmfn_v2 = 28;
export const PHYSDEVOP_prepare_msix = 30;
export const PHYSDEVOP_release_msix = 31;
export const PHYSDEVOP_restore_msi = 19;
export const PHYSDEVOP_restore_msi_ext = 27;
export const PHYSDEVOP_set_iopl = 6;
export const PHYSDEVOP_set_iobitmap = 7;
export const PHYSDEVOP_setup_gsi = 21;
export const PHYSDEVOP_unmap_pirq = 14;

export const XENIRQSTAT_shared = 2;
export const XENIRQSTAT_needs_eoi = 1;

/** `struct physdev_eoi`, 4 bytes. */
export const physdev_eoi = struct('physdev_eoi', {
  irq: u32,
});

/** `struct physdev_irq_status_query`, 8 bytes. */
export const physdev_irq_status_query = struct('physdev_irq_status_query', {
  irq: u32,
  flags: u32,
});

/** `struct physdev_set_iopl`, 4 bytes. */
export const physdev_set_iopl = struct('physdev_set_iopl', {
  iopl: u32,
});

/** `struct physdev_set_iobitmap`, 16 bytes. */
export const physdev_set_iobitmap = struct('physdev_set_iobitmap', {
  bitmap: i64,
  nr_ports: u32,
});

/** `struct physdev_map_pirq`, 40 bytes. */
export const physdev_map_pirq = struct('physdev_map_pirq', {
  domid: u16,
  type: i32,
  index: i32,
  pirq: i32,
  bus: i32,
  devfn: i32,
  entry_nr: i32,
  table_base: u64,
});

/** `struct physdev_unmap_pirq`, 8 bytes. */
export const physdev_unmap_pirq = struct('physdev_unmap_pirq', {
  domid: u16,
  pirq: i32,
});

/** `struct physdev_irq`, 8 bytes. */
export const physdev_irq = struct('physdev_irq', {
  irq: u32,
  vector: u32,
});

/** `struct physdev_get_free_pirq`, 8 bytes. */
export const physdev_get_free_pirq = struct('physdev_get_free_pirq', {
  type: i32,
  pirq: u32,
});
