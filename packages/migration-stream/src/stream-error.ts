/** What a {@link StreamError} says, in parts. */
export interface StreamFault {
  /** The complaint, in genuine libxc's, libxl's or xl's words where they have some. */
  readonly words: string;
  /** What should have been there. */
  readonly expected: string;
  /** What was there. */
  readonly found: string;
  /** Bytes from the start of the file to the record, or to the field, that is wrong. */
  readonly offset: number;
  /** The name of the record that is wrong; undefined in a header or between records. */
  readonly record?: string | undefined;
}

/**
 * A save file is not what genuine restore code would take.
 *
 * Whatever a file holds, reading it gives a summary or one of these, never another exception.
 */
export class StreamError extends Error implements StreamFault {
  override readonly name = 'StreamError';
  readonly words: string;
  readonly expected: string;
  readonly found: string;
  readonly offset: number;
  readonly record: string | undefined;

  constructor({ words, expected, found, offset, record }: StreamFault) {
    const says = /[.?]$/.test(words) ? `${words} Expected` : `${words}: expected`;
    const where = record === undefined ? '' : `, record ${record}`;
    super(`${says} ${expected}, found ${found} (offset ${offset}${where})`);
    this.words = words;
    this.expected = expected;
    this.found = found;
    this.offset = offset;
    this.record = record;
  }
}
