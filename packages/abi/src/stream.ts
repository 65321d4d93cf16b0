/*
 * Save files.
 *
 * xen/docs/specs/libxc-migration-stream.pandoc, libxl-migration-stream.pandoc; xl (no header)
 */
import { array, bytes, struct, u8, u16, u32, u64 } from '@port-xen/layout';

export const LIBXL_VERSION = 2;
export const LIBXL_EMULATOR_UNKNOWN = 0;
export const LIBXL_EMULATOR_QEMU_TRADITIONAL = 1;
export const LIBXL_EMULATOR_QEMU_UPSTREAM = 2;
export const LIBXL_OPT_BIG_ENDIAN = 1;
export const LIBXL_OPT_LEGACY = 2;
export const LIBXL_REC_END = 0;
export const LIBXL_REC_LIBXC_CONTEXT = 1;
export const LIBXL_REC_EMULATOR_XENSTORE_DATA = 2;
export const LIBXL_REC_EMULATOR_CONTEXT = 3;
export const LIBXL_REC_CHECKPOINT_END = 4;
export const LIBXL_REC_CHECKPOINT_STATE = 5;

export const XC_DHDR_TYPE_X86_PV = 1;
export const XC_DHDR_TYPE_X86_HVM = 2;
export const XC_IHDR_OPT_BIG_ENDIAN = 1;
export const XC_IHDR_VERSION_2 = 2;
export const XC_IHDR_VERSION_3 = 3;
export const XC_IHDR_ID = 0x58454e46;
export const XC_PAGE_TYPE_NOTAB = 0;
export const XC_PAGE_TYPE_L1TAB = 1;
export const XC_PAGE_TYPE_L2TAB = 2;
export const XC_PAGE_TYPE_L3TAB = 3;
export const XC_PAGE_TYPE_L4TAB = 4;
export const XC_PAGE_TYPE_LPIN_FLAG = 8;
export const XC_PAGE_TYPE_L1TAB_PINNED = 9;
export const XC_PAGE_TYPE_L2TAB_PINNED = 10;
export const XC_PAGE_TYPE_L3TAB_PINNED = 11;
export const XC_PAGE_TYPE_L4TAB_PINNED = 12;
export const XC_PAGE_TYPE_BROKEN = 13;
export const XC_PAGE_TYPE_XALLOC = 14;
export const XC_PAGE_TYPE_XTAB = 15;
export const XC_PAGE_DATA_PFN_MASK = 0xfffffffffffff;
export const XC_REC_TYPE_END = 0;
export const XC_REC_TYPE_PAGE_DATA = 1;
export const XC_REC_TYPE_X86_PV_INFO = 2;
export const XC_REC_TYPE_X86_PV_P2M_FRAMES = 3;
export const XC_REC_TYPE_X86_PV_VCPU_BASIC = 4;
export const XC_REC_TYPE_X86_PV_VCPU_EXTENDED = 5;
export const XC_REC_TYPE_X86_PV_VCPU_XSAVE = 6;
export const XC_REC_TYPE_SHARED_INFO = 7;
export const XC_REC_ALIGN = 8;
export const XC_REC_TYPE_X86_TSC_INFO = 8;
export const XC_REC_TYPE_HVM_CONTEXT = 9;
export const XC_REC_TYPE_HVM_PARAMS = 10;
export const XC_REC_TYPE_TOOLSTACK = 11;
export const XC_REC_TYPE_X86_PV_VCPU_MSRS = 12;
export const XC_REC_TYPE_VERIFY = 13;
export const XC_REC_TYPE_CHECKPOINT = 14;
export const XC_REC_TYPE_CHECKPOINT_DIRTY_PFN_LIST = 15;
export const XC_REC_TYPE_STATIC_DATA_END = 16;
export const XC_REC_TYPE_X86_CPUID_POLICY = 17;
export const XC_REC_TYPE_X86_MSR_POLICY = 18;
export const XC_REC_LENGTH_MAX = 0x8000000;
export const XC_REC_TYPE_OPTIONAL = 0x80000000;

export const XL_BYTEORDER_VALUE = 0x1020304;
export const XL_MANDATORY_FLAG_JSON = 1;
export const XL_MANDATORY_FLAG_STREAMv2 = 2;

/** `struct stream_xc_image_header`, 24 bytes. */
export const stream_xc_image_header = struct('stream_xc_image_header', {
  marker: u64,
  id: u32,
  version: u32,
  options: u16,
  reserved1: u16,
  reserved2: u32,
});

/** `struct stream_xc_domain_header`, 16 bytes. */
export const stream_xc_domain_header = struct('stream_xc_domain_header', {
  type: u32,
  page_shift: u16,
  reserved1: u16,
  xen_major: u32,
  xen_minor: u32,
});

/** `struct stream_record_header`, 8 bytes. */
export const stream_record_header = struct('stream_record_header', {
  type: u32,
  length: u32,
});

/** `struct stream_xc_page_data`, 8 bytes. */
export const stream_xc_page_data = struct('stream_xc_page_data', {
  count: u32,
  reserved1: u32,
});

/** `struct stream_xc_pv_info`, 8 bytes. */
export const stream_xc_pv_info = struct('stream_xc_pv_info', {
  guest_width: u8,
  pt_levels: u8,
  reserved1: array(u8, 6),
});

/** `struct stream_xc_p2m_frames`, 8 bytes. */
export const stream_xc_p2m_frames = struct('stream_xc_p2m_frames', {
  start_pfn: u32,
  end_pfn: u32,
});

/** `struct stream_xc_vcpu_hdr`, 8 bytes. */
export const stream_xc_vcpu_hdr = struct('stream_xc_vcpu_hdr', {
  vcpu_id: u32,
  reserved1: u32,
});

/** `struct stream_xc_tsc_info`, 24 bytes. */
export const stream_xc_tsc_info = struct('stream_xc_tsc_info', {
  mode: u32,
  khz: u32,
  nsec: u64,
  incarnation: u32,
  reserved1: u32,
});

/** `struct stream_xc_hvm_params_entry`, 16 bytes. */
export const stream_xc_hvm_params_entry = struct('stream_xc_hvm_params_entry', {
  index: u64,
  value: u64,
});

/** `struct stream_libxl_header`, 16 bytes. */
export const stream_libxl_header = struct('stream_libxl_header', {
  ident: u64,
  version: u32,
  options: u32,
});

/** `struct stream_libxl_emulator_hdr`, 8 bytes. */
export const stream_libxl_emulator_hdr = struct('stream_libxl_emulator_hdr', {
  id: u32,
  index: u32,
});

/** `struct stream_libxl_checkpoint_state`, 4 bytes. */
export const stream_libxl_checkpoint_state = struct('stream_libxl_checkpoint_state', {
  id: u32,
});

/** `struct stream_xl_header`, 48 bytes. */
export const stream_xl_header = struct('stream_xl_header', {
  magic: bytes(32),
  byteorder: u32,
  mandatory_flags: u32,
  optional_flags: u32,
  optional_data_len: u32,
});

/** `struct stream_xsave_hdr`, 16 bytes. */
export const stream_xsave_hdr = struct('stream_xsave_hdr', {
  xcr0: u64,
  xcr0_accum: u64,
});
