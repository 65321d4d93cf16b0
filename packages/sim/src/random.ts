/**
 * sfc32 (Chris Doty-Humphrey): 128 bits of state, one stream per seed. Not for secrets.
 *
 * A stream is named, so that drawing more in one place does not change what another place draws.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;
  readonly #seed: number;
  readonly #name: string;

  /**
   * @param seed any integer; the low 53 bits count
   * @param name what the stream is for
   */
  constructor(seed: number, name = '') {
    this.#seed = seed;
    this.#name = name;
    let hash = 0x811c9dc5;
    for (let i = 0; i < name.length; i++) {
      hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
    }
    this.#a = seed | 0;
    this.#b = Math.floor(seed / 0x1_0000_0000) | 0;
    this.#c = hash | 0;
    for (let i = 0; i < 15; i++) this.next();
  }

  /** A stream of its own, from the same seed. */
  stream(name: string): Random {
    return new Random(this.#seed, `${this.#name}/${name}`);
  }

  /** The next 32 bits, unsigned. */
  next(): number {
    const t = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + t;
    this.#c |= 0;
    return t >>> 0;
  }

  /** An integer in [0, limit), limit up to 2^53. */
  below(limit: number): number {
    if (limit <= 0x1_0000_0000) return Math.floor((this.next() / 0x1_0000_0000) * limit);
    const wide = (this.next() & 0x1f_ffff) * 0x1_0000_0000 + this.next();
    return Math.floor((wide / 2 ** 53) * limit);
  }

  /** An integer in [low, high]. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** Puts the elements in a drawn order, in place (Fisher and Yates). */
  shuffle<T extends { length: number; [i: number]: number | unknown }>(list: T): T {
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const other = list[i];
      list[i] = list[j];
      list[j] = other;
    }
    return list;
  }
}
