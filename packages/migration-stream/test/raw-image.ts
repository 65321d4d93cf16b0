/*
 * Images put together byte by byte, without the package's own writer, so that a test can have them wrong.
 * The domain has pfns 0 … 15, its P2M in pfn 9, one vCPU.
 */
import {
  LIBXL_REC_END,
  LIBXL_REC_LIBXC_CONTEXT,
  XC_REC_TYPE_END,
  XC_REC_TYPE_PAGE_DATA,
  XC_REC_TYPE_SHARED_INFO,
  XC_REC_TYPE_STATIC_DATA_END,
  XC_REC_TYPE_X86_CPUID_POLICY,
  XC_REC_TYPE_X86_MSR_POLICY,
  XC_REC_TYPE_X86_PV_INFO,
  XC_REC_TYPE_X86_PV_P2M_FRAMES,
  XC_REC_TYPE_X86_PV_VCPU_BASIC,
  XC_REC_TYPE_X86_PV_VCPU_EXTENDED,
  XC_REC_TYPE_X86_PV_VCPU_MSRS,
  XC_REC_TYPE_X86_PV_VCPU_XSAVE,
  XC_REC_TYPE_X86_TSC_INFO,
} from '@port-xen/abi';
import { concat, words } from './bytes.ts';

export const PAGE = 4096;

export const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

/** A record with its padding; `length` is what its header claims. */
export const record = (type: number, body: Uint8Array, length = body.length): Uint8Array =>
  concat([words(type, length), body, new Uint8Array(-body.length & 7)]);

/** libxc's two headers. */
export const libxcHeaders = ({
  version = 3,
  options = 0,
  type = 1,
  shift = 12,
  id = 0x58454e46,
} = {}): Uint8Array => {
  const bytes = new Uint8Array(40).fill(0xff, 0, 8);
  const view = new DataView(bytes.buffer);
  view.setUint32(8, id);
  view.setUint32(12, version);
  view.setUint16(16, options);
  view.setUint32(24, type, true);
  view.setUint16(28, shift, true);
  view.setUint32(32, 4, true);
  view.setUint32(36, 17, true);
  return bytes;
};

export const libxlHeader = ({ version = 2, options = 0, ident = 'LibxlFmt' } = {}): Uint8Array => {
  const bytes = new Uint8Array(16);
  bytes.set(ascii(ident));
  const view = new DataView(bytes.buffer);
  view.setUint32(8, version);
  view.setUint32(12, options);
  return bytes;
};

export const xlHeader = ({
  config = ascii('{}\0') as Uint8Array,
  byteorder = 0x01020304,
  mandatory = 3,
  optional = 0,
  configLength = -1,
  dataLength = -1,
} = {}): Uint8Array => {
  const length = configLength < 0 ? config.length : configLength;
  const room = dataLength < 0 ? (config.length === 0 ? 0 : 4 + config.length) : dataLength;
  return concat([
    ascii('Xen saved domain, xl format\n \0 \r'),
    words(byteorder, mandatory, optional, room),
    room === 0 ? new Uint8Array(0) : concat([words(length), config]),
  ]);
};

/** PAGE_DATA's body: [pfn, type] pairs, and a page for each type that carries data, filled with its index. */
export const pageData = (
  ...pages: readonly (readonly [pfn: number, type: number])[]
): Uint8Array => {
  const carrying = pages.filter(([, type]) => type < 13);
  return concat([
    words(pages.length, 0, ...pages.flatMap(([pfn, type]) => [pfn, type << 28])),
    ...carrying.map((_, index) => new Uint8Array(PAGE).fill(index + 1)),
  ]);
};

export const vcpu = (id: number, size: number): Uint8Array =>
  concat([words(id, 0), new Uint8Array(size)]);

/** The records of a whole domain, by name, in Xen's order. */
export const RECORDS = {
  X86_PV_INFO: record(XC_REC_TYPE_X86_PV_INFO, Uint8Array.of(8, 4, 0, 0, 0, 0, 0, 0)),
  X86_CPUID_POLICY: record(XC_REC_TYPE_X86_CPUID_POLICY, new Uint8Array(48)),
  X86_MSR_POLICY: record(XC_REC_TYPE_X86_MSR_POLICY, new Uint8Array(16)),
  STATIC_DATA_END: record(XC_REC_TYPE_STATIC_DATA_END, new Uint8Array(0)),
  X86_PV_P2M_FRAMES: record(XC_REC_TYPE_X86_PV_P2M_FRAMES, words(0, 15, 9, 0)),
  PAGE_DATA: record(XC_REC_TYPE_PAGE_DATA, pageData([0, 0], [1, 15], [4, 12], [2, 14], [9, 0])),
  X86_TSC_INFO: record(XC_REC_TYPE_X86_TSC_INFO, words(0, 2400000, 123456, 0, 7, 0)),
  SHARED_INFO: record(XC_REC_TYPE_SHARED_INFO, new Uint8Array(PAGE)),
  X86_PV_VCPU_BASIC: record(XC_REC_TYPE_X86_PV_VCPU_BASIC, vcpu(0, 5168)),
  X86_PV_VCPU_EXTENDED: record(XC_REC_TYPE_X86_PV_VCPU_EXTENDED, vcpu(0, 64)),
  X86_PV_VCPU_XSAVE: record(XC_REC_TYPE_X86_PV_VCPU_XSAVE, vcpu(0, 592)),
  X86_PV_VCPU_MSRS: record(XC_REC_TYPE_X86_PV_VCPU_MSRS, vcpu(0, 16)),
  END: record(XC_REC_TYPE_END, new Uint8Array(0)),
} as const;

export type RecordName = keyof typeof RECORDS;

export const NAMES = Object.keys(RECORDS) as RecordName[];

/** A bare libxc stream of these records. */
export const libxc = (
  records: readonly (RecordName | Uint8Array)[],
  headers = libxcHeaders(),
): Uint8Array => concat([headers, ...records.map((r) => (typeof r === 'string' ? RECORDS[r] : r))]);

/** A whole domain with some of its records replaced: left out by `[]`, or several for one. */
export const replaced = (
  changes: Partial<{ [N in RecordName]: readonly (RecordName | Uint8Array)[] }>,
  headers = libxcHeaders(),
): Uint8Array =>
  libxc(
    NAMES.flatMap((name) => changes[name] ?? [name]),
    headers,
  );

/** A libxl stream around a libxc stream. */
export const libxl = (stream = libxc(NAMES), header = libxlHeader()): Uint8Array =>
  concat([
    header,
    record(LIBXL_REC_LIBXC_CONTEXT, new Uint8Array(0)),
    stream,
    record(LIBXL_REC_END, new Uint8Array(0)),
  ]);
