/*
 * The syntax of xl.cfg (docs/man/xl.cfg): settings `key = value` or `key += value`, ended by a newline or `;`. A value is a
 * number, a quoted string or a list in brackets, which may go over lines, end in a comma and hold lists. `#` starts a
 * comment. Keys are lower-case words. A key set twice has its last value; `+=` joins strings and lists.
 *
 * Only the syntax is known here; what a key means is known in config-of-cfg.ts.
 */
import { ToolstackError } from './toolstack-error.ts';
import { type Token, tokens } from './xl-cfg-tokens.ts';

export type CfgValue = string | readonly CfgValue[];

/** A setting and the line that made it. */
export interface Setting {
  /** The line of the text, from 1. */
  readonly line: number;
  readonly value: CfgValue;
}

/** The settings of an xl.cfg text by their keys. */
export type XlCfg = ReadonlyMap<string, Setting>;

/** How deep lists may be nested; nothing that xl knows goes deeper than two. */
const MAX_DEPTH = 8;

/** A value while it is put together: its lists are the reader's own. */
type Growing = string | Growing[];

class Reader {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokens(text);
  }

  settings(): Map<string, Setting> {
    const settings = new Map<string, { line: number; value: Growing }>();
    for (;;) {
      const token = this.#take();
      if (token.kind === 'end') return settings;
      if (token.kind === 'newline' || token.kind === ';') continue;
      if (token.kind !== 'key') this.#wrong('a key', token);
      const operator = this.#take();
      if (operator.kind !== '=' && operator.kind !== '+=') {
        this.#wrong(`= after ${token.text}`, operator);
      }
      const value = this.#value(0);
      const before = operator.kind === '+=' ? settings.get(token.text) : undefined;
      settings.set(token.text, {
        line: token.line,
        value: before ? join(token, before.value, value) : value,
      });
      const end = this.#take();
      if (end.kind === 'end') return settings;
      if (end.kind !== 'newline' && end.kind !== ';') this.#wrong('the end of the setting', end);
    }
  }

  #take(): Token {
    const token = this.#tokens[this.#at] as Token;
    if (token.kind !== 'end') this.#at++;
    return token;
  }

  #peek(): Token {
    return this.#tokens[this.#at] as Token;
  }

  #skipNewlines(): void {
    while (this.#peek().kind === 'newline') this.#at++;
  }

  #value(depth: number): Growing {
    const token = this.#take();
    if (token.kind === 'string' || token.kind === 'number') return token.text;
    if (token.kind !== '[') this.#wrong('a number, a quoted string or a list', token);
    if (depth === MAX_DEPTH) this.#wrong(`lists at most ${MAX_DEPTH} deep`, token);
    const list: Growing[] = [];
    for (;;) {
      this.#skipNewlines();
      if (this.#peek().kind === ']') break;
      list.push(this.#value(depth + 1));
      this.#skipNewlines();
      if (this.#peek().kind !== ',') break;
      this.#at++;
    }
    const close = this.#take();
    if (close.kind !== ']') this.#wrong(', or ] in a list', close);
    return list;
  }

  #wrong(expected: string, found: Token): never {
    const what =
      found.kind === 'newline' || found.kind === 'end' ? `the ${found.kind}` : found.text;
    const shown = found.kind === 'end' ? 'the end of the text' : what;
    throw new ToolstackError(`line ${found.line}: expected ${expected}, found ${shown}`);
  }
}

/** @param before grows, if it is a list */
const join = (token: Token, before: Growing, added: Growing): Growing => {
  if (typeof before === 'string' && typeof added === 'string') return before + added;
  if (typeof before !== 'string' && typeof added !== 'string') {
    for (const item of added) before.push(item);
    return before;
  }
  throw new ToolstackError(
    `line ${token.line}: expected ${token.text} += of the kind that it was set to before, found a ${typeof added === 'string' ? 'string' : 'list'}`,
  );
};

/**
 * Reads an xl.cfg text.
 *
 * @param overrides further settings, `key=value` each, as the command line gives them; they come last and so prevail
 * @throws ToolstackError with the line
 */
export const parseXlCfg = (text: string, overrides: readonly string[] = []): XlCfg =>
  new Reader([text, ...overrides].join('\n')).settings();
