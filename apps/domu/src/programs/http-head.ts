/*
 * The heads of HTTP/1 messages (RFC 9112): a first line and fields, each ended by CR LF, and an empty line.
 */

export interface Head {
  readonly line: string;
  /** Names in lower case. */
  readonly fields: ReadonlyMap<string, string>;
  /** Bytes, the empty line included. */
  readonly length: number;
}

const END = '\r\n\r\n';

/** The head at the start of some bytes; undefined when its end has not come yet. */
export const parseHead = (bytes: Uint8Array): Head | undefined => {
  const text = String.fromCharCode(...bytes);
  const end = text.indexOf(END);
  if (end < 0) return undefined;
  const [line = '', ...rest] = text.slice(0, end).split('\r\n');
  const fields = rest.map((field): [string, string] => {
    const colon = field.indexOf(':');
    return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
  });
  return { line, fields: new Map(fields), length: end + END.length };
};

/** A count of bytes in a field; undefined when it is none. */
export const byteCount = (text: string | undefined): number | undefined => {
  const value = Number(text);
  return text !== undefined && /^\d+$/.test(text) && Number.isSafeInteger(value)
    ? value
    : undefined;
};

/**
 * The one range of bytes that a Range field asks of `size` bytes, its end not included; undefined: all of them, as for a field
 * that is not understood (RFC 9110, 14.2); 'unsatisfiable'.
 */
export const byteRange = (
  field: string | undefined,
  size: number,
): readonly [start: number, end: number] | 'unsatisfiable' | undefined => {
  const match = /^bytes=(\d*)-(\d*)$/.exec(field ?? '');
  if (match === null) return undefined;
  const first = byteCount(match[1]);
  const last = byteCount(match[2]);
  if (first === undefined) {
    if (last === undefined) return undefined;
    return last === 0 || size === 0 ? 'unsatisfiable' : [Math.max(0, size - last), size];
  }
  if (last !== undefined && last < first) return undefined;
  if (first >= size) return 'unsatisfiable';
  return [first, Math.min(size, (last ?? size) + 1)];
};
