import pc from 'picocolors';

/** Cells of one line; a number stands to the right of its column. */
export type Row = readonly (string | number)[];

/** Characters that colours add. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is how a terminal's colours begin
const COLOUR = /\x1b\[[0-9;]*m/g;

const width = (text: string): number => text.replace(COLOUR, '').length;

/** A number as people read it: 33,631,390. */
export const count = (value: number | bigint): string => value.toLocaleString('en');

const cell = (value: string | number): string =>
  typeof value === 'number' ? count(value) : value.replaceAll('\n', '⏎');

/** Text in sections, each a title and lines or columns under it. Colours go where the terminal has some. */
export class TextPage {
  readonly #lines: string[] = [];

  /** @param note said beside the title, fainter */
  section(title: string, note = ''): void {
    if (this.#lines.length > 0) this.#lines.push('');
    this.#lines.push(note === '' ? pc.bold(title) : `${pc.bold(title)}  ${pc.dim(note)}`);
  }

  line(text: string): void {
    this.#lines.push(`  ${text}`);
  }

  /** Lines in columns as wide as they need to be. */
  rows(rows: readonly Row[]): void {
    const widths: number[] = [];
    for (const row of rows) {
      for (const [i, value] of row.entries()) {
        widths[i] = Math.max(widths[i] ?? 0, width(cell(value)));
      }
    }
    for (const row of rows) {
      const cells = row.map((value, i) => {
        const text = cell(value);
        const pad = ' '.repeat((widths[i] ?? 0) - width(text));
        return typeof value === 'number' ? pad + text : text + pad;
      });
      this.line(cells.join('  ').trimEnd());
    }
  }

  /** Several lines of text as they are, indented. */
  block(text: string): void {
    for (const line of text.replace(/\n$/, '').split('\n')) this.line(pc.dim('│ ') + line);
  }

  toString(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}
