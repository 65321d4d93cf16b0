/*
 * JSON as yajl beautifies it, which is how libxl writes a configuration: four blanks a level, `"key": value`, one element a
 * line, a newline at the end, and an empty object or array as an opening bracket, an empty line and the closing bracket.
 */

/** What can be written. An undefined member of an object is left out. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };

const INDENT = '    ';

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

const quoted = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is escaped
  `"${text.replace(/["\\\x00-\x1f]/g, (character) => {
    const code = character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
    return ESCAPES[character] ?? `\\u${code}`;
  })}"`;

const bracketed = (open: string, items: readonly string[], close: string, indent: string): string =>
  `${open}\n${items.map((item) => indent + INDENT + item).join(',\n')}\n${indent}${close}`;

const text = (value: Json, indent: string): string => {
  if (typeof value === 'string') return quoted(value);
  if (typeof value !== 'object' || value === null) return String(value);
  const inner = indent + INDENT;
  if (Array.isArray(value)) {
    return bracketed(
      '[',
      value.map((item: Json) => text(item, inner)),
      ']',
      indent,
    );
  }
  const members = Object.entries(value).flatMap(([key, member]) =>
    member === undefined ? [] : [`${quoted(key)}: ${text(member, inner)}`],
  );
  return bracketed('{', members, '}', indent);
};

/** @param value numbers in it are integers */
export const yajl = (value: Json): string => `${text(value, '')}\n`;
