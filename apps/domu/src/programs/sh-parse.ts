/*
 * What a line for sh means: commands, each ended by `;`, `&` or the line's end; words, separated by blanks, with '…' and "…" around
 * what is to stay together; `#` starts a comment.
 */

export interface Command {
  readonly words: readonly string[];
  /** The shell does not wait for it. */
  readonly background: boolean;
}

/** The commands of a line, in order. */
export const parseLine = (line: string): Command[] => {
  const commands: Command[] = [];
  let words: string[] = [];
  let word: string | undefined;
  let quote = '';
  const endWord = (): void => {
    if (word !== undefined) words.push(word);
    word = undefined;
  };
  const endCommand = (background: boolean): void => {
    endWord();
    if (words.length > 0) commands.push({ words, background });
    words = [];
  };
  for (const c of line) {
    if (quote !== '') {
      if (c === quote) quote = '';
      else word = (word ?? '') + c;
    } else if (c === '#' && word === undefined) break;
    else if (c === "'" || c === '"') {
      quote = c;
      word = word ?? '';
    } else if (c === ' ' || c === '\t') endWord();
    else if (c === ';') endCommand(false);
    else if (c === '&') endCommand(true);
    else word = (word ?? '') + c;
  }
  endCommand(false);
  return commands;
};
