/*
 * The watches of all connections, in a trie of path names: whoever has to be told of a change sits on the way from
 * the root to the changed node, so finding them costs the depth of the path and not the number of watches.
 */
import { isSpecial, namesOf } from './path.ts';

/** Who is told. */
export interface Watcher {
  /** Place in the order of connections. */
  readonly id: number;
}

/** One watch of one connection. */
export class Watch<W extends Watcher = Watcher> {
  readonly watcher: W;
  /** Absolute, or special. */
  readonly path: string;
  readonly token: string;
  /** Characters that an event's path loses at its front, because the watch was set with a relative path. */
  readonly relative: number;
  /** How many levels below its path it looks; Infinity for all. */
  readonly depth: number;
  /** Place in the order of watches. */
  readonly order: number;

  constructor(
    watcher: W,
    path: string,
    token: string,
    relative: number,
    depth: number,
    order: number,
  ) {
    this.watcher = watcher;
    this.path = path;
    this.token = token;
    this.relative = relative;
    this.depth = depth;
    this.order = order;
  }

  /** `path`, of an event, as this watch tells it. */
  pathFor(path: string): string {
    return path.slice(this.relative);
  }
}

class Crossing<W extends Watcher> {
  readonly inner = new Map<string, Crossing<W>>();
  readonly watches = new Set<Watch<W>>();
}

/** All watches, found by the path of a change. */
export class Watches<W extends Watcher> {
  #root = new Crossing<W>();
  readonly #special = new Map<string, Set<Watch<W>>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(watch: Watch<W>): void {
    this.#size++;
    if (isSpecial(watch.path)) {
      const there = this.#special.get(watch.path) ?? new Set();
      this.#special.set(watch.path, there.add(watch));
      return;
    }
    let at = this.#root;
    for (const name of namesOf(watch.path)) {
      let next = at.inner.get(name);
      if (next === undefined) {
        next = new Crossing();
        at.inner.set(name, next);
      }
      at = next;
    }
    at.watches.add(watch);
  }

  delete(watch: Watch<W>): void {
    this.#size--;
    if (isSpecial(watch.path)) {
      const there = this.#special.get(watch.path);
      there?.delete(watch);
      if (there?.size === 0) this.#special.delete(watch.path);
      return;
    }
    this.#drop(this.#root, namesOf(watch.path), 0, watch);
  }

  /** The watches on the special node `path`, by connection and age. */
  special(path: string): readonly Watch<W>[] {
    return ordered([...(this.#special.get(path) ?? [])]);
  }

  /**
   * The watches a change of `path` is told to, by connection and then by age.
   * @param exact only those on `path` itself
   */
  matching(path: string, exact: boolean): readonly Watch<W>[] {
    const names = namesOf(path);
    const found: Watch<W>[] = [];
    let at: Crossing<W> | undefined = this.#root;
    for (let i = 0; at !== undefined; i++) {
      if (!exact || i === names.length) {
        for (const watch of at.watches) if (names.length - i <= watch.depth) found.push(watch);
      }
      if (i === names.length) break;
      at = at.inner.get(names[i] as string);
    }
    return ordered(found);
  }

  /** Whether there is a watch on a path strictly below `path`. */
  below(path: string): boolean {
    let at: Crossing<W> | undefined = this.#root;
    for (const name of namesOf(path)) {
      at = at.inner.get(name);
      if (at === undefined) return false;
    }
    return at.inner.size > 0;
  }

  /** Takes the watch out, and crossings that lead nowhere any more. @returns whether `at` is one */
  #drop(at: Crossing<W>, names: readonly string[], depth: number, watch: Watch<W>): boolean {
    if (depth === names.length) at.watches.delete(watch);
    else {
      const name = names[depth] as string;
      const next = at.inner.get(name);
      if (next !== undefined && this.#drop(next, names, depth + 1, watch)) at.inner.delete(name);
    }
    return at.watches.size === 0 && at.inner.size === 0;
  }
}

const ordered = <W extends Watcher>(watches: Watch<W>[]): readonly Watch<W>[] =>
  watches.length < 2
    ? watches
    : watches.sort((a, b) => a.watcher.id - b.watcher.id || a.order - b.order);
