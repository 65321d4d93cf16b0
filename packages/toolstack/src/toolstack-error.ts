/**
 * What a person who uses the toolstack is told: one sentence, with what was expected, what was found and where.
 *
 * After one nothing has changed that the caller would have to undo.
 */
export class ToolstackError extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = 'ToolstackError';
  }
}
