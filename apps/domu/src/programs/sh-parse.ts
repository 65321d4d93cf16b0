/*
 * What a line for sh means: commands, each ended by `;`, `&`, `&&`, `||` or the line's end; words, separated by blanks, with '…' and "…"
 * around what is to stay together; `#` starts a comment. $? is the last status, but for within '…'.
 *
 *     a && b    b only if a's status was 0
 *     a || b    b only if it was not
 *
 * What a shell has beyond that is refused rather than taken for a word: a line with it does nothing.
 */

/** What stands before a command. */
export type Joint = ';' | '&&' | '||';

export interface Command {
  readonly words: readonly string[];
  /** The shell does not wait for it. */
  readonly background: boolean;
  readonly after: Joint;
}

export interface Line {
  /** In order; none when the line is wrong. */
  readonly commands: readonly Command[];
  /** What is wrong with the line, a sentence; '' when nothing is. */
  readonly wrong: string;
}

const OPERATOR = /^(?:&&|\|\||>>|[;&|<>])/;

class Reader {
  readonly commands: Command[] = [];
  #words: string[] = [];
  #word: string | undefined;
  #after: Joint = ';';

  add(text: string): void {
    this.#word = (this.#word ?? '') + text;
  }

  get inWord(): boolean {
    return this.#word !== undefined;
  }

  endWord(): void {
    if (this.#word !== undefined) this.#words.push(this.#word);
    this.#word = undefined;
  }

  /** A command's end. @param by what ends it; '' is the line's end @returns what is wrong; '' when nothing is */
  end(by: string): string {
    this.endWord();
    const after = this.#after;
    const joins = by === '&&' || by === '||';
    if (this.#words.length === 0) {
      if (after !== ';') return `expected a command after ${after}`;
      return joins ? `expected a command before ${by}` : '';
    }
    if (by === '&' && after !== ';')
      return `commands joined by ${after} cannot run in the background`;
    this.commands.push({ words: this.#words, background: by === '&', after });
    this.#words = [];
    this.#after = joins ? by : ';';
    return '';
  }
}

/** The commands of a line. @param status what $? is */
export const parseLine = (line: string, status = 0): Line => {
  const reader = new Reader();
  const refuse = (wrong: string): Line => ({ commands: [], wrong });
  for (let at = 0; at < line.length; ) {
    const c = line[at] as string;
    const rest = line.slice(at);
    const operator = OPERATOR.exec(rest)?.[0];
    if (c === "'" || c === '"') {
      const end = line.indexOf(c, at + 1);
      if (end < 0) return refuse(`expected ${c} after ${rest.slice(0, 20)}`);
      const text = line.slice(at + 1, end);
      reader.add(c === '"' ? text.replaceAll('$?', String(status)) : text);
      at = end + 1;
    } else if (operator !== undefined) {
      if (/[<>]/.test(operator) || operator === '|') {
        return refuse(`${operator} is nothing that this shell does; in quotes it is a word`);
      }
      const wrong = reader.end(operator);
      if (wrong !== '') return refuse(wrong);
      at += operator.length;
    } else if (c === '#' && !reader.inWord) break;
    else if (c === ' ' || c === '\t') {
      reader.endWord();
      at++;
    } else if (rest.startsWith('$?')) {
      reader.add(String(status));
      at += 2;
    } else {
      reader.add(c);
      at++;
    }
  }
  const wrong = reader.end('');
  return wrong === '' ? { commands: reader.commands, wrong } : refuse(wrong);
};
