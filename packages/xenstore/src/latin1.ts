/*
 * Paths, tokens and most values are text; on the wire they are bytes. Latin-1 maps each byte to the character of
 * the same number, so any value survives the way to a string and back.
 */

/** The bytes `from` … `to` as a string, one character each. */
export const latin1 = (bytes: Uint8Array, from = 0, to: number = bytes.length): string => {
  if (to - from <= 64) {
    let text = '';
    for (let i = from; i < to; i++) text += String.fromCharCode(bytes[i] as number);
    return text;
  }
  return String.fromCharCode.apply(null, bytes.subarray(from, to) as unknown as number[]);
};

/**
 * The string as bytes, one a character.
 *
 * @throws RangeError for a character above U+00FF: a value of other text is written as bytes in the encoding one wants
 */
export const bytesOf = (text: string): Uint8Array => {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff) {
      throw new RangeError(
        `expected text of Latin-1 characters for xenstore, found U+${code.toString(16).padStart(4, '0')} at ${i} of "${text}"`,
      );
    }
    bytes[i] = code;
  }
  return bytes;
};

/** Strings as a payload: each followed by a NUL, then `tail` as it is. */
export const payloadOf = (strings: readonly string[], tail?: Uint8Array): Uint8Array => {
  let length = tail?.length ?? 0;
  for (const text of strings) length += text.length + 1;
  const payload = new Uint8Array(length);
  let at = 0;
  for (const text of strings) {
    payload.set(bytesOf(text), at);
    at += text.length + 1;
  }
  if (tail !== undefined) payload.set(tail, at);
  return payload;
};

/** The NUL-terminated strings a payload begins with, at most `limit`; bytes after the last NUL are left out. */
export const stringsOf = (payload: Uint8Array, limit = Number.POSITIVE_INFINITY): string[] => {
  const strings: string[] = [];
  let from = 0;
  while (strings.length < limit) {
    const nul = payload.indexOf(0, from);
    if (nul < 0) break;
    strings.push(latin1(payload, from, nul));
    from = nul + 1;
  }
  return strings;
};
