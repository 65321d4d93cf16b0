/*
 * What a kernel of Xen 2 finds where its page of start information is. The words of `memory_t` have eight bytes of room, so that virtual
 * addresses of x86-64 fit where those of i386 were.
 *
 * Xen 2.0: xen/include/public/xen.h
 */
import { bytes, i64, packed, u16, u32, u64 } from '@port-xen/layout';

/** The domain is a block back end. */
export const SIF_BLK_BE_DOMAIN = 16;
/** The domain is a network back end. */
export const SIF_NET_BE_DOMAIN = 32;

/**
 * `start_info_t`, 320 bytes. `shared_info` is a machine address, `pt_base`, `mfn_list` and `mod_start` are virtual ones. Everything before
 * `pt_base` is filled on boot and on resume, the rest on boot only.
 */
export const xen2_start_info = packed('xen2_start_info', {
  nr_pages: u64,
  shared_info: u64,
  flags: u32,
  domain_controller_evtchn: u16,
  __pad: u16,
  pt_base: i64,
  nr_pt_frames: u64,
  mfn_list: i64,
  mod_start: i64,
  mod_len: u64,
  cmd_line: bytes(256),
});
