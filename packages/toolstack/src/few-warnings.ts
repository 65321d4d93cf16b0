/** How many warnings are told one by one: an image may have a million. */
const TOLD = 16;

/** Passes warnings on until there are many; then it counts. */
export class FewWarnings {
  readonly #tell: (sentence: string) => void;
  #count = 0;

  constructor(tell: (sentence: string) => void) {
    this.#tell = tell;
  }

  readonly warn = (sentence: string): void => {
    if (++this.#count <= TOLD) this.#tell(sentence);
  };

  /** There will be no more. */
  end(): void {
    if (this.#count > TOLD) this.#tell(`and ${this.#count - TOLD} more such warnings`);
  }
}
