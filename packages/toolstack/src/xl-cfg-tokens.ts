import { ToolstackError } from './toolstack-error.ts';

/** A word of xl.cfg. */
export interface Token {
  readonly kind:
    | 'key'
    | 'number'
    | 'string'
    | 'newline'
    | 'end'
    | ';'
    | '['
    | ']'
    | ','
    | '='
    | '+=';
  /** A string without its quotes and escapes; else as written. */
  readonly text: string;
  /** From 1. */
  readonly line: number;
}

/** A configuration is something that a person wrote. */
const MAX_LENGTH = 1 << 20;

const WORD =
  /(?<space>[ \t\r]+)|(?<newline>(?:#[^\n]*)?\n)|(?<comment>#[^\n]*$)|(?<key>[a-z][_0-9a-z]*)|(?<number>[0-9][0-9a-fx]*)|(?<string>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")|(?<mark>\+=|[;[\],=])/y;

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  "'": "'",
  '"': '"',
  '\\': '\\',
};

const unquoted = (quoted: string, line: number): string =>
  quoted.slice(1, -1).replace(/\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)/g, (_, code: string) => {
    const hex = /^x(.+)$/.exec(code);
    if (hex) return String.fromCharCode(Number.parseInt(hex[1] as string, 16));
    if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8) & 0xff);
    const plain = Object.hasOwn(ESCAPES, code) ? ESCAPES[code] : undefined;
    if (plain !== undefined) return plain;
    throw new ToolstackError(
      `line ${line}: expected a known escape in a quoted string, found \\${code}`,
    );
  });

/**
 * Cuts an xl.cfg text into words; the last is the end.
 * @throws ToolstackError with the line
 */
export const tokens = (text: string): Token[] => {
  if (text.length > MAX_LENGTH) {
    throw new ToolstackError(
      `expected a configuration of at most ${MAX_LENGTH} characters, found ${text.length}`,
    );
  }
  const word = new RegExp(WORD);
  const found: Token[] = [];
  let line = 1;
  while (word.lastIndex < text.length) {
    const at = word.lastIndex;
    const match = word.exec(text);
    if (match === null) {
      const rest = JSON.stringify(text.slice(at, at + 20).split('\n')[0]);
      throw new ToolstackError(
        `line ${line}: expected a key, a number, a quoted string or one of = += [ ] , ;, found ${rest}`,
      );
    }
    const { newline, key, number, string, mark } = match.groups as Record<
      string,
      string | undefined
    >;
    if (key !== undefined) found.push({ kind: 'key', text: key, line });
    else if (number !== undefined) found.push({ kind: 'number', text: number, line });
    else if (string !== undefined) {
      found.push({ kind: 'string', text: unquoted(string, line), line });
    } else if (mark !== undefined) found.push({ kind: mark as Token['kind'], text: mark, line });
    else if (newline !== undefined) {
      found.push({ kind: 'newline', text: '\n', line });
      line++;
    }
  }
  found.push({ kind: 'end', text: '', line });
  return found;
};
