/*
 * What uvm keeps, all of it in guest memory.
 *
 *     VM_MIN_KERNEL_ADDRESS   kernel map: 64 GiB of addresses
 *     FREE_STACK              pfns of free pages, u32 each; the stack's own pages come from what is freed
 *     ANON_TABLE              vm_anon, 32 bytes each; grows a page at a time
 */
import { NPROC } from '@port-xen/kern';
import { array, i64, nest, struct, u32, type View } from '@port-xen/layout';

export const PAGE_SIZE = 4096;
/** L4 slot 320. */
export const VM_MIN_KERNEL_ADDRESS = -0x6000_0000_0000;
/** Kernel memory that the map may hold, bytes: more than a domain has. */
const KERNEL_MAP_SIZE = 2 ** 36;
/** Where the stack of free pages lies: above the map. */
export const FREE_STACK: number = VM_MIN_KERNEL_ADDRESS + KERNEL_MAP_SIZE;
/** Where the anons lie: above the stack, which has four bytes for each of up to 2^26 pages. */
export const ANON_TABLE: number = FREE_STACK + 2 ** 28;

export const NEXTENT = 64;
/** Address spaces at once: one for each process, and one more for each that is in the middle of an execve. */
export const NVMSPACE: number = 2 * NPROC;
/** Ranges of addresses in one address space. */
export const NMAPENTRY = 16;

const extent = struct('uvm_extent', { va: i64, pages: u32 });

const pages_data = struct('uvm_pages_data', {
  /** The next page never given out, and the end of its range. */
  avail_next: u32,
  avail_end: u32,
  /** The range after that one. */
  avail2_next: u32,
  avail2_end: u32,
  /** Pages on the stack, and how many it has room for. */
  nfree: u32,
  free_room: u32,
  /** Pages in use by somebody. */
  used: u32,
  /** Below this many free pages the page daemon works, until there are freetarg. */
  freemin: u32,
  freetarg: u32,
  /** The balloon wants so many free pages. */
  wanted: u32,
  /** An lwp that has waited takes what it waited for, whoever waits behind it. */
  in_turn: u32,
  /** The first of the lwps that wait for pages, a uvm_waiter; 0: nobody waits. */
  wait_head: i64,
  kernel_next: i64,
  nextent: u32,
  extents: array(extent, NEXTENT),
});

/** An lwp that waits for pages, on its own stack. */
export const uvm_waiter = struct('uvm_waiter', {
  /** Who waits behind it; 0: nobody. */
  w_next: i64,
  /** How many it waits for. */
  w_pages: u32,
  /** There will not be so many. */
  w_refused: u32,
});

/** The page of an anon is on its way to or from the swap device. */
export const AN_BUSY = 1;

/** A page's worth of a program's memory: in a page, in a swap slot, or in both while it travels. */
export const vm_anon = struct('vm_anon', {
  /** Address spaces that have it: more than one after a fork, until one of them stores to it. */
  an_ref: u32,
  an_flags: u32,
  /** Its page's pfn plus one; 0: none. */
  an_page: u32,
  /** Its swap slot plus one; 0: none. */
  an_swslot: u32,
  /** Calls and devices that need it where it is. */
  an_wire: u32,
  /** In a free anon: the next free one's index plus one. */
  an_next: u32,
  /** Where it is in every address space that has it. */
  an_va: i64,
});

export type Anon = View<typeof vm_anon>;

const anon_data = struct('uvm_anon_data', {
  /** Anons ever made, and how many the table has room for. */
  nanon: u32,
  anon_room: u32,
  /** Index of a free anon plus one. */
  free_head: u32,
  inuse: u32,
  /** Where the page daemon looks next. */
  hand: u32,
});

/** Swap devices at once. */
export const NSWAP = 8;

/** A swap device: slots [swd_drumoffset, swd_drumoffset + swd_npages) of all. */
export const swapdev = struct('swapdev', {
  swd_cdev: i64,
  /** A bit for each slot that is in use. */
  swd_map: i64,
  swd_drumoffset: u32,
  swd_npages: u32,
  swd_npginuse: u32,
  /** Slots that the device could not write: never used again. They count as in use. */
  swd_npgbad: u32,
  /** Where the next search starts, from the device's first slot. */
  swd_next: u32,
});

export type Swapdev = View<typeof swapdev>;

const swap_data = struct('uvm_swap_data', {
  sw_ndev: u32,
  /** The device that is asked first the next time: they take turns. */
  sw_turn: u32,
  /** Slots of all devices; in use; and bad. */
  sw_slots: u32,
  sw_inuse: u32,
  sw_bad: u32,
  /** Pages written and read, ever. */
  sw_pageouts: u32,
  sw_pageins: u32,
  /** Pages on their way out. */
  sw_busy: u32,
  /** Kernel addresses at which pages are while they travel: the page daemon's, then one for each lwp. */
  pager_map: i64,
  sw_dev: array(swapdev, NSWAP),
});

/** The entry is in use; its memory may be stored to. */
export const ME_USED = 1;
export const ME_WRITE = 2;

/** A range of addresses that all have one kind of memory behind them. */
export const vm_map_entry = struct('vm_map_entry', {
  me_start: i64,
  me_end: i64,
  me_flags: u32,
  /** Kernel pages that the amap takes. */
  me_amap_pages: u32,
  /** Kernel address of an u32 for each page: its anon's index plus one, 0 while nobody has touched it. */
  me_amap: i64,
  /** Physical address of the kernel's own pages that are shown here read-only; -1: anonymous memory. */
  me_object: i64,
});

export type MapEntry = View<typeof vm_map_entry>;

export const vmspace = struct('vmspace', {
  vm_used: u32,
  vm_nentries: u32,
  vm_pmap: i64,
  vm_entries: array(vm_map_entry, NMAPENTRY),
});

export type Vmspace = View<typeof vmspace>;

export const uvm_data = struct('uvm_data', {
  pages: nest(pages_data),
  anons: nest(anon_data),
  swap: nest(swap_data),
  spaces: array(vmspace, NVMSPACE),
});
