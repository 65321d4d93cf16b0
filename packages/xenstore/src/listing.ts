/*
 * The names of a directory in the order in which they came, as XS_DIRECTORY sends them: each followed by a NUL.
 *
 * A version of a directory is a prefix of a buffer that versions share. Who appends to the newest version writes
 * behind it, in place, because nobody reads beyond the length of an own version; who appends to an older one copies
 * first. A name that goes is only noted; when the list is asked for, or many names have gone, it is written anew.
 *
 *     buffer  n a m e 1 0 n a m e 2 0 n a m e 3 0 . . .       gone: name1, once
 *             |---- length of an older version ----|
 *
 * Of a name that went and came again the buffer has two; the first as many as have gone are the ones to leave out.
 */
import { stringsOf } from './latin1.ts';

interface Buffer {
  bytes: Uint8Array;
  /** Where the newest version that shares it ends. */
  used: number;
}

/** Names that went, the last one first. */
interface Gone {
  readonly name: string;
  readonly before: Gone | undefined;
  readonly count: number;
}

/** How many gone names are put up with in a short list; in a long one, half as many as it has. */
const SLACK = 16;

/** The names of one version of a directory. */
export class Listing {
  /** No names. */
  static get none(): Listing {
    return new Listing({ bytes: new Uint8Array(0), used: 0 }, 0, undefined);
  }

  #buffer: Buffer;
  #length: number;
  #gone: Gone | undefined;

  private constructor(buffer: Buffer, length: number, gone: Gone | undefined) {
    this.#buffer = buffer;
    this.#length = length;
    this.#gone = gone;
  }

  /** This version and one name more, at the end. */
  with(name: string): Listing {
    const start = this.#length;
    const end = start + name.length + 1;
    let buffer = this.#buffer;
    if (buffer.used !== start || end > buffer.bytes.length) {
      const bytes = new Uint8Array(Math.max(64, 2 * end));
      bytes.set(buffer.bytes.subarray(0, start));
      buffer = { bytes, used: end };
    } else buffer.used = end;
    for (let i = 0; i < name.length; i++) buffer.bytes[start + i] = name.charCodeAt(i);
    buffer.bytes[end - 1] = 0;
    return new Listing(buffer, end, this.#gone);
  }

  /** This version without `name`, which it has; `size` is how many names are left. */
  without(name: string, size: number): Listing {
    const gone = { name, before: this.#gone, count: 1 + (this.#gone?.count ?? 0) };
    const next = new Listing(this.#buffer, this.#length, gone);
    if (gone.count > SLACK + size / 2) next.#tidy();
    return next;
  }

  /** The list. Not to be written to. */
  bytes(): Uint8Array {
    this.#tidy();
    return this.#buffer.bytes.subarray(0, this.#length);
  }

  /** The names, oldest first. */
  names(): string[] {
    return stringsOf(this.bytes());
  }

  #tidy(): void {
    if (this.#gone === undefined) return;
    const gone = new Map<string, number>();
    for (let at: Gone | undefined = this.#gone; at !== undefined; at = at.before) {
      gone.set(at.name, (gone.get(at.name) ?? 0) + 1);
    }
    let left = Listing.none;
    for (const name of stringsOf(this.#buffer.bytes.subarray(0, this.#length))) {
      const times = gone.get(name) ?? 0;
      if (times > 0) gone.set(name, times - 1);
      else left = left.with(name);
    }
    this.#buffer = left.#buffer;
    this.#length = left.#length;
    this.#gone = undefined;
  }
}
