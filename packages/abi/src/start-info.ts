/*
 * What a PV kernel finds in rsi.
 *
 * xen/include/public/xen.h
 */
import { bytes, nest, struct, u32, u64, union } from '@port-xen/layout';

export const SIF_PRIVILEGED = 1;
export const SIF_INITDOMAIN = 2;
export const SIF_MOD_START_PFN = 8;
export const SIF_MULTIBOOT_MOD = 4;
export const SIF_PM_MASK = 0xff00;
export const SIF_VIRT_P2M_4TOOLS = 16;

const start_info_console_domU = struct('start_info_console_domU', {
  mfn: u64,
  evtchn: u32,
});
const start_info_console_dom0 = struct('start_info_console_dom0', {
  info_off: u32,
  info_size: u32,
});
const start_info_console = union('start_info_console', {
  domU: nest(start_info_console_domU),
  dom0: nest(start_info_console_dom0),
});
/** `struct start_info`, 1168 bytes. */
export const start_info = struct('start_info', {
  magic: bytes(32),
  nr_pages: u64,
  shared_info: u64,
  flags: u32,
  store_mfn: u64,
  store_evtchn: u32,
  console: nest(start_info_console),
  pt_base: u64,
  nr_pt_frames: u64,
  mfn_list: u64,
  mod_start: u64,
  mod_len: u64,
  cmd_line: bytes(1024),
  first_p2m_pfn: u64,
  nr_p2m_frames: u64,
});

/** `struct xen_multiboot_mod_list`, 16 bytes. */
export const xen_multiboot_mod_list = struct('xen_multiboot_mod_list', {
  mod_start: u32,
  mod_end: u32,
  cmdline: u32,
  pad: u32,
});
