/**
 * The kernel found itself in a state that it cannot go on from. The engine turns it into a jump to the symbol `panic`,
 * which prints the sentence and crashes the domain.
 */
export class Panic extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = 'Panic';
  }
}

/** Panics unless `condition`. */
export function kassert(condition: boolean, sentence: string): asserts condition {
  if (!condition) throw new Panic(sentence);
}
