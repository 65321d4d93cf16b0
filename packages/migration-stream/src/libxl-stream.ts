/*
 * The layer between xl and libxc: a big-endian header, then little-endian records.
 *
 *     0  ident    "LibxlFmt"
 *     8  version  2
 *    12  options  1 the rest is big-endian: refuse; 2 converted from an older format
 *
 *     { type u32, length u32, body, padding to 8 } …
 *
 * The body of LIBXC_CONTEXT is empty and a whole libxc stream follows it. A PV domain has no other record
 * than that one and END.
 */
import {
  LIBXL_OPT_BIG_ENDIAN,
  LIBXL_REC_CHECKPOINT_END,
  LIBXL_REC_CHECKPOINT_STATE,
  LIBXL_REC_EMULATOR_CONTEXT,
  LIBXL_REC_EMULATOR_XENSTORE_DATA,
  LIBXL_REC_END,
  LIBXL_REC_LIBXC_CONTEXT,
  LIBXL_VERSION,
  stream_libxl_header,
  stream_record_header,
  XC_REC_LENGTH_MAX,
} from '@port-xen/abi';
import type { Cursor } from './cursor.ts';
import type { ImageVisitor } from './image-visitor.ts';
import { libxlRecordName } from './record-name.ts';

/** The first bytes of a libxl stream, each a character. */
export const LIBXL_MAGIC = 'LibxlFmt';

/** The 16 bytes that a libxl stream starts with. */
export const libxlHeader = (): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(stream_libxl_header.size);
  bytes.set(Uint8Array.from(LIBXL_MAGIC, (character) => character.charCodeAt(0)));
  new DataView(bytes.buffer).setUint32(stream_libxl_header.offset.version, LIBXL_VERSION);
  return bytes;
};

/** Reads the header, whose ident the caller has read and found right. */
export const readLibxlHeader = (cursor: Cursor, visitor: ImageVisitor): void => {
  const start = cursor.offset;
  const bytes = cursor.take(8, "libxl's header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint32(0);
  const options = view.getUint32(4);
  if (version !== LIBXL_VERSION) {
    throw cursor.error('Unexpected Version', `${LIBXL_VERSION}`, `${version}`, start);
  }
  if ((options & LIBXL_OPT_BIG_ENDIAN) !== 0) {
    const found = `options 0x${options.toString(16)}`;
    throw cursor.error('Unable to handle big endian streams', 'option 0x1 off', found, start + 4);
  }
  visitor.libxlHeader?.({ version, options });
};

/** Reads libxl's records; `readLibxc` is called where libxc's stream is. */
export const readLibxlRecords = (
  cursor: Cursor,
  visitor: ImageVisitor,
  readLibxc: () => void,
): void => {
  let seenContext = false;
  for (;;) {
    const { type, length } = readRecordHeader(cursor, visitor);
    const wrong = (words: string, expected: string) =>
      cursor.error(words, expected, libxlRecordName(type));
    if (length > XC_REC_LENGTH_MAX) {
      const words = `Record (0x${type.toString(16).padStart(8, '0')}) length too large`;
      throw cursor.error(words, `at most ${XC_REC_LENGTH_MAX}`, `${length}`);
    }
    switch (type) {
      case LIBXL_REC_END:
        if (!seenContext) throw wrong('Stream without a domain', 'LIBXC_CONTEXT before END');
        cursor.skip(Math.ceil(length / 8) * 8, 'END');
        cursor.leaveRecord();
        return;
      case LIBXL_REC_LIBXC_CONTEXT:
        if (seenContext) throw wrong('Stream with a second domain', 'END after the libxc stream');
        seenContext = true;
        cursor.skip(Math.ceil(length / 8) * 8, 'LIBXC_CONTEXT');
        cursor.leaveRecord();
        readLibxc();
        break;
      case LIBXL_REC_EMULATOR_XENSTORE_DATA:
        throw wrong('Received a xenstore emulator record when none was expected', PV_ONLY);
      case LIBXL_REC_EMULATOR_CONTEXT:
        throw wrong('Received an emulator context record when none was expected', PV_ONLY);
      case LIBXL_REC_CHECKPOINT_END:
        throw wrong('Unexpected CHECKPOINT_END record in stream', PV_ONLY);
      case LIBXL_REC_CHECKPOINT_STATE:
        throw wrong('Unexpected CHECKPOINT_STATE record in stream', PV_ONLY);
      default:
        throw wrong(`Unrecognised record 0x${type.toString(16).padStart(8, '0')}`, PV_ONLY);
    }
  }
};

const PV_ONLY = 'LIBXC_CONTEXT or END, the records of a PV domain';

const readRecordHeader = (
  cursor: Cursor,
  visitor: ImageVisitor,
): { type: number; length: number } => {
  const offset = cursor.offset;
  cursor.take(stream_record_header.size, "a libxl record's header");
  const { type, length } = stream_record_header.at(cursor.memory, 0);
  const name = libxlRecordName(type);
  cursor.enterRecord(`libxl ${name}`, offset, length);
  visitor.record?.({ layer: 'libxl', type, name, offset, length });
  return { type, length };
};
