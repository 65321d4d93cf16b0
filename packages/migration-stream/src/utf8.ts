/*
 * UTF-8, because a library package has no TextDecoder: a lead byte says how many bytes follow (0xxxxxxx none,
 * 110xxxxx one, 1110xxxx two, 11110xxx three), each of which is 10xxxxxx and brings six bits. A code point
 * must be written in the shortest form, and the halves of a UTF-16 pair are not code points.
 */
const SHORTEST = [0, 0x80, 0x800, 0x10000];

/** Text as UTF-8. @throws RangeError for half of a surrogate pair */
export const utf8Encode = (text: string): Uint8Array<ArrayBuffer> => {
  const bytes: number[] = [];
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    if (point >= 0xd800 && point < 0xe000) {
      throw new RangeError(`expected text, found half a character: U+${point.toString(16)}`);
    }
    if (point < 0x80) bytes.push(point);
    else if (point < 0x800) bytes.push(0xc0 | (point >> 6), tail(point));
    else if (point < 0x10000) bytes.push(0xe0 | (point >> 12), tail(point >> 6), tail(point));
    else bytes.push(0xf0 | (point >> 18), tail(point >> 12), tail(point >> 6), tail(point));
  }
  return Uint8Array.from(bytes);
};

const tail = (bits: number): number => 0x80 | (bits & 0x3f);

/** The text of UTF-8 bytes, or the offset of the first byte that is not part of any. */
export const utf8Decode = (bytes: Uint8Array): string | number => {
  const text: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at] ?? 0;
    const more = lead < 0x80 ? 0 : lead < 0xc2 ? -1 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (more < 0 || lead > 0xf4) return at;
    let point = more === 0 ? lead : lead & (0x3f >> more);
    for (let i = 1; i <= more; i++) {
      const byte = bytes[at + i] ?? 0;
      if ((byte & 0xc0) !== 0x80) return at;
      point = (point << 6) | (byte & 0x3f);
    }
    if (point < (SHORTEST[more] ?? 0) || point > 0x10ffff) return at;
    if (point >= 0xd800 && point < 0xe000) return at;
    text.push(String.fromCodePoint(point));
    at += more + 1;
  }
  return text.join('');
};
