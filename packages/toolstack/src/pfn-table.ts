const NONE = -1;

const grown = <T extends Uint8Array | Int32Array | Float64Array>(into: T, from: T): T => {
  into.set(from);
  return into;
};

/** What restore keeps of each pfn of a domain. Columns are replaced when it grows. */
export class PfnTable {
  /** The frame; -1 for none. */
  mfnOf = new Int32Array(0);
  /** The type nibble that the stream gave last; 0 for a page that never came. */
  types = new Uint8Array(0);
  /** Bits that its user defines, 0 at first. */
  marks = new Uint8Array(0);
  /** Where in the file the page's data stands. */
  offsets = new Float64Array(0);

  get maxPfn(): number {
    return this.mfnOf.length - 1;
  }

  /** Makes room for pfns up to `maxPfn`. */
  extend(maxPfn: number): void {
    if (maxPfn <= this.maxPfn) return;
    const size = maxPfn + 1;
    this.mfnOf = grown(new Int32Array(size).fill(NONE), this.mfnOf);
    this.types = grown(new Uint8Array(size), this.types);
    this.marks = grown(new Uint8Array(size), this.marks);
    this.offsets = grown(new Float64Array(size), this.offsets);
  }
}
