import { array, i32, i64, struct, u32, type View } from '@port-xen/layout';

/** User address spaces at once. */
export const NPMAP = 48;
/** L4 slots that a user address space may use: text and data low, the stack high. */
export const NTOP = 4;

const top = struct('pmap_top', { slot: i32, l3pa: i64 });

export const pmap = struct('pmap', {
  pm_used: u32,
  pm_ntop: u32,
  /** Physical address of the L4. */
  pm_pdirpa: i64,
  pm_top: array(top, NTOP),
});

export type UserPmap = View<typeof pmap>;

export const pmap_data = struct('pmap_data', {
  /** Virtual address of the P2M. */
  xpmap_phys_to_machine_mapping: i64,
  nr_pages: u32,
  /** Physical address of the kernel's L4. */
  kpm_pdirpa: i64,
  /** A kernel page at which a table that is not current is read. */
  window: i64,
  /** The user address space whose slots are in the kernel's L4; 0: none. */
  active: i64,
  pmaps: array(pmap, NPMAP),
});
