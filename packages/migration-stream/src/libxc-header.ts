/*
 * What a libxc stream starts with. The image header is big-endian, the domain header is not:
 *
 *      0  marker    all ones (no older stream starts so)
 *      8  id        "XENF"
 *     12  version   2 or 3
 *     16  options   1 the rest is big-endian: refuse
 *     18  reserved
 *
 *     24  type      1 x86 PV, 2 x86 HVM
 *     28  page_shift 12
 *     30  reserved
 *     32  xen_major, 36 xen_minor
 */
import {
  stream_xc_domain_header,
  stream_xc_image_header,
  XC_DHDR_TYPE_X86_HVM,
  XC_DHDR_TYPE_X86_PV,
  XC_IHDR_ID,
  XC_IHDR_OPT_BIG_ENDIAN,
  XC_IHDR_VERSION_2,
  XC_IHDR_VERSION_3,
} from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import type { Cursor } from './cursor.ts';
import type { DomainHeader, ImageHeader } from './image-visitor.ts';
import { PAGE_SIZE } from './page-type.ts';

const MARKER_SIZE = 8;
const PAGE_SHIFT = Math.log2(PAGE_SIZE);

/** The image header as Xen 4.17 writes it. */
export const imageHeader = (): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(stream_xc_image_header.size).fill(0xff, 0, MARKER_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(stream_xc_image_header.offset.id, XC_IHDR_ID);
  view.setUint32(stream_xc_image_header.offset.version, XC_IHDR_VERSION_3);
  return bytes;
};

/** The header of a PV domain that runs on that Xen. */
export const domainHeader = (xenMajor: number, xenMinor: number): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(stream_xc_domain_header.size);
  const header = stream_xc_domain_header.at(new BytesMemory(bytes), 0);
  header.type = XC_DHDR_TYPE_X86_PV;
  header.page_shift = PAGE_SHIFT;
  header.xen_major = xenMajor;
  header.xen_minor = xenMinor;
  return bytes;
};

/** Whether eight bytes are the image header's marker. */
export const isMarker = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0xff);

/** Reads the rest of the image header after its marker. */
export const readImageHeader = (cursor: Cursor): ImageHeader => {
  const start = cursor.offset;
  const bytes = cursor.take(stream_xc_image_header.size - MARKER_SIZE, "libxc's image header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const id = view.getUint32(0);
  const version = view.getUint32(4);
  const options = view.getUint16(8);
  if (id !== XC_IHDR_ID) {
    throw cursor.error('Invalid ID', hex(XC_IHDR_ID), hex(id), start);
  }
  if (version !== XC_IHDR_VERSION_2 && version !== XC_IHDR_VERSION_3) {
    throw cursor.error('Invalid Version', '2 <= ver <= 3', `${version}`, start + 4);
  }
  if ((options & XC_IHDR_OPT_BIG_ENDIAN) !== 0) {
    const words = 'Unable to handle big endian streams';
    throw cursor.error(words, 'option 0x1 off', `options ${hex(options)}`, start + 8);
  }
  return { version, options };
};

/** Reads the domain header. */
export const readDomainHeader = (cursor: Cursor): DomainHeader => {
  const start = cursor.offset;
  cursor.take(stream_xc_domain_header.size, "libxc's domain header");
  const header = stream_xc_domain_header.at(cursor.memory, 0);
  const { type, page_shift, xen_major, xen_minor } = header;
  if (type !== XC_DHDR_TYPE_X86_PV) {
    const name = type === XC_DHDR_TYPE_X86_HVM ? 'x86 HVM' : 'Reserved';
    const words = `Unable to restore ${name} domain into an x86_pv domain`;
    throw cursor.error(words, `type ${XC_DHDR_TYPE_X86_PV}`, `${type}`, start);
  }
  if (page_shift !== PAGE_SHIFT) {
    const words = 'Invalid page size for x86_pv domains';
    throw cursor.error(words, `a shift of ${PAGE_SHIFT}`, `${page_shift}`, start + 4);
  }
  return { type, page_shift, xen_major, xen_minor };
};

const hex = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`;
