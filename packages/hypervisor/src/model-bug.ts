/**
 * An inconsistency of our own: a count that does not balance, a table that names what it must not.
 *
 * Nothing a guest does may lead here. It is never caught on the way to the caller of the machine: the run stops.
 */
export class ModelBug extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = 'ModelBug';
  }
}

/** @throws ModelBug with `sentence` unless `condition` */
export function insist(condition: boolean, sentence: string): asserts condition {
  if (!condition) throw new ModelBug(sentence);
}
