/*
 * The children of a node: an immutable map from name to node that remembers the order in which names came, in which
 * xenstored lists them. Adding, replacing or removing one of n copies O(log n) slots and shares the rest.
 *
 * It is a hash array mapped trie: five bits of the name's hash choose one of 32 slots at each level; a bitmap says
 * which slots are there, so that a small directory is one short array. Names whose 32-bit hashes are equal share a
 * slot that is searched one by one. Order is kept beside it, in a Listing, and never comes from a hash.
 *
 *     Branch { bitmap, slots: [ Entry | Branch | Clash ] }      Entry { name, hash, node }
 */
import { Listing } from './listing.ts';
import type { StoreNode } from './store-node.ts';

class Entry {
  readonly name: string;
  readonly hash: number;
  readonly node: StoreNode;
  constructor(name: string, hash: number, node: StoreNode) {
    this.name = name;
    this.hash = hash;
    this.node = node;
  }
}

class Clash {
  readonly entries: readonly Entry[];
  constructor(entries: readonly Entry[]) {
    this.entries = entries;
  }
}

class Branch {
  readonly bitmap: number;
  readonly slots: readonly Slot[];
  constructor(bitmap: number, slots: readonly Slot[]) {
    this.bitmap = bitmap;
    this.slots = slots;
  }
}

type Slot = Entry | Clash | Branch;

const LAST_SHIFT = 30;

const hashOf = (name: string): number => {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash ^ (hash >>> 15);
};

const countBits = (word: number): number => {
  let n = word - ((word >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
};

const find = (root: Branch, name: string, hash: number): Entry | undefined => {
  let branch = root;
  for (let shift = 0; ; shift += 5) {
    const bit = 1 << ((hash >>> shift) & 31);
    if ((branch.bitmap & bit) === 0) return undefined;
    const slot = branch.slots[countBits(branch.bitmap & (bit - 1))] as Slot;
    if (slot instanceof Entry) return slot.name === name ? slot : undefined;
    if (slot instanceof Clash) return slot.entries.find((entry) => entry.name === name);
    branch = slot;
  }
};

/** Two entries that meet in one slot of the level above `shift`. */
const join = (a: Entry, b: Entry, shift: number): Slot => {
  if (shift > LAST_SHIFT) return new Clash([a, b]);
  const i = (a.hash >>> shift) & 31;
  const j = (b.hash >>> shift) & 31;
  if (i === j) return new Branch(1 << i, [join(a, b, shift + 5)]);
  return new Branch((1 << i) | (1 << j), i < j ? [a, b] : [b, a]);
};

const put = (branch: Branch, entry: Entry, shift: number): Branch => {
  const bit = 1 << ((entry.hash >>> shift) & 31);
  const at = countBits(branch.bitmap & (bit - 1));
  const slots = branch.slots.slice();
  if ((branch.bitmap & bit) === 0) {
    slots.splice(at, 0, entry);
    return new Branch(branch.bitmap | bit, slots);
  }
  const slot = slots[at] as Slot;
  if (slot instanceof Branch) slots[at] = put(slot, entry, shift + 5);
  else if (slot instanceof Clash) {
    slots[at] = new Clash([...slot.entries.filter((other) => other.name !== entry.name), entry]);
  } else slots[at] = slot.name === entry.name ? entry : join(slot, entry, shift + 5);
  return new Branch(branch.bitmap, slots);
};

/** The branch without the entry, which it has; undefined when that leaves nothing. */
const drop = (branch: Branch, entry: Entry, shift: number): Slot | undefined => {
  const bit = 1 << ((entry.hash >>> shift) & 31);
  const at = countBits(branch.bitmap & (bit - 1));
  const slot = branch.slots[at] as Slot;
  let rest: Slot | undefined;
  if (slot instanceof Branch) rest = drop(slot, entry, shift + 5);
  else if (slot instanceof Clash) {
    const others = slot.entries.filter((other) => other.name !== entry.name);
    rest = others.length === 1 ? others[0] : new Clash(others);
  }
  const slots = branch.slots.slice();
  if (rest !== undefined) {
    slots[at] = rest;
    // An entry alone moves up, so that the shape depends on what is in the map and not on its history.
    return slots.length === 1 && rest instanceof Entry && shift > 0
      ? rest
      : new Branch(branch.bitmap, slots);
  }
  slots.splice(at, 1);
  if (slots.length === 0) return undefined;
  if (slots.length === 1 && slots[0] instanceof Entry && shift > 0) return slots[0];
  return new Branch(branch.bitmap ^ bit, slots);
};

const visitAll = (slot: Slot, visit: (node: StoreNode) => void): void => {
  if (slot instanceof Entry) visit(slot.node);
  else if (slot instanceof Clash) for (const entry of slot.entries) visit(entry.node);
  else for (const inner of slot.slots) visitAll(inner, visit);
};

const NO_BRANCH = new Branch(0, []);

/** An immutable, ordered map of names to nodes. */
export class Children {
  /** No children. */
  static readonly none: Children = new Children(NO_BRANCH, 0, 0, undefined);

  readonly size: number;
  /** Bytes of the listing: every name and a NUL each. */
  readonly listingLength: number;
  readonly #root: Branch;
  readonly #listing: Listing | undefined;

  private constructor(
    root: Branch,
    size: number,
    listingLength: number,
    listing: Listing | undefined,
  ) {
    this.#root = root;
    this.size = size;
    this.listingLength = listingLength;
    this.#listing = listing;
  }

  get(name: string): StoreNode | undefined {
    return this.size === 0 ? undefined : find(this.#root, name, hashOf(name))?.node;
  }

  /** This map with `node` under `name`: in the place of the one that was there, or last. */
  with(name: string, node: StoreNode): Children {
    const hash = hashOf(name);
    const isNew = find(this.#root, name, hash) === undefined;
    const root = put(this.#root, new Entry(name, hash, node), 0);
    if (!isNew) return new Children(root, this.size, this.listingLength, this.#listing);
    const size = this.size + 1;
    const length = this.listingLength + name.length + 1;
    return new Children(root, size, length, (this.#listing ?? Listing.none).with(name));
  }

  /** This map without `name`; itself when the name is not there. */
  without(name: string): Children {
    const old = find(this.#root, name, hashOf(name));
    if (old === undefined) return this;
    if (this.size === 1) return Children.none;
    const root = drop(this.#root, old, 0) as Branch;
    const size = this.size - 1;
    const length = this.listingLength - name.length - 1;
    return new Children(root, size, length, this.#listing?.without(name, size));
  }

  /** The names, oldest first. */
  names(): readonly string[] {
    return this.#listing?.names() ?? [];
  }

  /** Every child, in no order that means anything. */
  forEach(visit: (node: StoreNode) => void): void {
    if (this.size > 0) visitAll(this.#root, visit);
  }

  /** The names, oldest first, each followed by a NUL. Not to be written to. */
  listing(): Uint8Array {
    return this.#listing?.bytes() ?? new Uint8Array(0);
  }
}
