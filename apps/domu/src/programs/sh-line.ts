/*
 * What is typed to sh, up to the end of a line. It is shown as it is read, for nobody else does; backspace takes the last character
 * back, ^U the line. What is beyond a line's room is shown and counted, so that it can be taken back, and not kept.
 */
import type { ShData } from './sh-data.ts';
import { LINE_MAX } from './sh-data.ts';

const BACKSPACE = [0x7f, 0x08];
const NEWLINE = [0x0a, 0x0d];
const CTRL_U = 0x15;
const ERASE = '\b \b';

/** Takes what was read into the line. @returns what is to be shown, and whether the line is whole */
export const takeInput = (d: ShData): { shown: string; whole: boolean } => {
  const { line, input } = d;
  let shown = '';
  let { length, beyond, input_at: at } = d;
  let whole = false;
  while (at < d.input_end && !whole) {
    const c = input[at++] as number;
    if (NEWLINE.includes(c)) whole = true;
    else if (BACKSPACE.includes(c)) {
      if (length > 0) shown += ERASE;
      if (beyond > 0) beyond--;
      else length = Math.max(0, length - 1);
    } else if (c === CTRL_U) {
      shown += ERASE.repeat(length + beyond);
      length = 0;
      beyond = 0;
    } else if (c >= 0x20) {
      if (length < LINE_MAX - 1) line[length++] = c;
      else beyond++;
      shown += String.fromCharCode(c);
    }
  }
  line[length] = 0;
  d.line = line;
  d.length = length;
  d.beyond = beyond;
  d.input_at = at;
  return { shown: whole ? `${shown}\n` : shown, whole };
};
