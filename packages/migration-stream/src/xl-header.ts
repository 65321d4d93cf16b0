/*
 * What xl puts before libxl's stream:
 *
 *      0  magic              "Xen saved domain, xl format\n \0 \r"
 *     32  byteorder          0x01020304
 *     36  mandatory_flags    1 the configuration is JSON, 2 a libxl stream follows; any other: refuse
 *     40  optional_flags     0; any: ignore
 *     44  optional_data_len  4 + config_len, or 0
 *     48  config_len
 *     52  config             its text and a NUL
 *
 * Little-endian. optional_data_len may be larger than the configuration: the rest is passed over.
 */
import {
  stream_xl_header,
  XL_BYTEORDER_VALUE,
  XL_MANDATORY_FLAG_JSON,
  XL_MANDATORY_FLAG_STREAMv2,
} from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import type { Cursor } from './cursor.ts';
import type { ImageVisitor } from './image-visitor.ts';
import { utf8Decode, utf8Encode } from './utf8.ts';

/** The first bytes of an `xl save` file, each a character. */
export const XL_MAGIC = 'Xen saved domain, xl format\n \0 \r';

/** The longest configuration that a reader takes: ours, xl has no limit. */
const CONFIG_MAX = 1024 * 1024;

/** The header and the configuration's JSON as `xl save` writes them; without one, the header that says so. */
export const xlHeader = (configJson: string | undefined): Uint8Array<ArrayBuffer> => {
  const config = configJson === undefined ? undefined : utf8Encode(`${configJson}\0`);
  const length = config === undefined ? 0 : 4 + config.length;
  const bytes = new Uint8Array(stream_xl_header.size + length);
  const memory = new BytesMemory(bytes);
  const header = stream_xl_header.at(memory, 0);
  header.magic = Uint8Array.from(XL_MAGIC, (character) => character.charCodeAt(0));
  header.byteorder = XL_BYTEORDER_VALUE;
  header.mandatory_flags =
    XL_MANDATORY_FLAG_STREAMv2 | (config === undefined ? 0 : XL_MANDATORY_FLAG_JSON);
  header.optional_data_len = length;
  if (config !== undefined) {
    memory.st32(stream_xl_header.size, config.length);
    bytes.set(config, stream_xl_header.size + 4);
  }
  return bytes;
};

/** Reads the header, whose magic the caller has read and found right, and the configuration. */
export const readXlHeader = (cursor: Cursor, visitor: ImageVisitor): void => {
  const start = stream_xl_header.offset.byteorder;
  cursor.take(stream_xl_header.size - start, "xl's header");
  const header = stream_xl_header.at(cursor.memory, -start);
  const { byteorder, mandatory_flags, optional_flags, optional_data_len } = header;
  const at = (field: keyof typeof stream_xl_header.offset) => stream_xl_header.offset[field];
  if (byteorder !== XL_BYTEORDER_VALUE) {
    const words = 'File has wrong byte order';
    throw cursor.error(words, hex(XL_BYTEORDER_VALUE), hex(byteorder), at('byteorder'));
  }
  const unknown = mandatory_flags & ~(XL_MANDATORY_FLAG_JSON | XL_MANDATORY_FLAG_STREAMv2);
  if (unknown !== 0) {
    throw cursor.error(
      `Savefile has mandatory flag(s) ${hex(unknown)} which are not supported; need newer xl`,
      'flags 0x1 and 0x2 only',
      hex(mandatory_flags),
      at('mandatory_flags'),
    );
  }
  if ((mandatory_flags & XL_MANDATORY_FLAG_STREAMv2) === 0) {
    throw cursor.error(
      'Savefile holds a stream of before Xen 4.6',
      'mandatory flag 0x2, a libxl stream of version 2',
      hex(mandatory_flags),
      at('mandatory_flags'),
    );
  }
  visitor.xlHeader?.({ mandatory_flags, optional_flags, optional_data_len });
  if (optional_data_len > 0) {
    readConfig(
      cursor,
      visitor,
      optional_data_len,
      (mandatory_flags & XL_MANDATORY_FLAG_JSON) !== 0,
    );
  }
};

const readConfig = (cursor: Cursor, visitor: ImageVisitor, room: number, json: boolean): void => {
  const truncated = (expected: string, found: string, offset: number) =>
    cursor.error('Savefile truncated.', expected, found, offset);
  const at = stream_xl_header.size;
  if (room < 4) throw truncated("4 bytes of a configuration's length", `${room}`, at);
  cursor.take(4, "a configuration's length");
  const length = cursor.memory.ld32(0) >>> 0;
  if (length > room - 4) throw truncated(`a length of at most ${room - 4}`, `${length}`, at);
  if (length > CONFIG_MAX) {
    const words = 'Configuration too long';
    throw cursor.error(words, `at most ${CONFIG_MAX} bytes`, `${length}`, at);
  }
  const bytes = cursor.body(length, 'configuration');
  const end = bytes.indexOf(0);
  if (json && end < 0) {
    throw cursor.error('Configuration without an end', 'a NUL', `none in ${length} bytes`, at + 4);
  }
  const text = utf8Decode(end < 0 ? bytes : bytes.subarray(0, end));
  if (typeof text === 'number') {
    const found = `byte ${hex(bytes[text] ?? 0)}`;
    throw cursor.error('Configuration is not text', 'UTF-8', found, at + 4 + text);
  }
  cursor.skip(room - 4 - length, "xl's optional data");
  if (length > 0) visitor.config?.(text, json ? 'json' : 'cfg');
};

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;
