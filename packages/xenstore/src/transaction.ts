/*
 * A transaction sees the store as it was when it began, and its own changes. It keeps the root it began with, the
 * root it has come to, what it saw, and its changes. At its end:
 *
 *   nothing changed by it     it saw one consistent store: done, always
 *   store still at its base   its root becomes the store's
 *   store moved on            each node it saw is looked up in its base and in the store. If one differs in the
 *                             part that it saw, EAGAIN. Otherwise its changes are made again on the store.
 *
 * What was seen of a node is its own content (existence, value, permissions), the list of its children, or the whole
 * subtree (removal). Making a child sees the parent's own content, not the list, so two transactions that make
 * different children of one node do not conflict.
 */
import { namesOf } from './path.ts';
import type { Permissions, Subject } from './permissions.ts';
import { nodeAt, type StoreNode, walk } from './store-node.ts';
import { type Change, SEES_CHILDREN, SEES_SELF, SEES_SUBTREE, type View } from './view.ts';

/** How many changes a transaction may keep for each node that it may touch. */
const CHANGES_PER_NODE = 4;

/** What a transaction has to do with one node. */
interface Access {
  sees: number;
  /** An event is due for it at the end. */
  fires: boolean;
  exact: boolean;
  /** The permissions at its first change. */
  before: Permissions | undefined;
}

/** An event that is due at a transaction's end. */
export interface DueEvent {
  readonly path: string;
  readonly exact: boolean;
  readonly before: Permissions | undefined;
}

/** What of the store a transaction needs while it runs. */
export interface TransactionStore {
  readonly root: StoreNode;
  draw(): number;
  nodesOf(domid: number): number;
  permissionsOf(node: StoreNode): Permissions;
}

/** One open transaction of one connection. */
export class Transaction implements View {
  readonly id: number;
  root: StoreNode;
  /** It touched more nodes than it may: it cannot be committed. */
  failed = false;
  /** It is known to conflict, from before the daemon was replaced. */
  doomed = false;
  readonly base: StoreNode;
  /** What it did; whatever has a higher number than `at` came later. */
  readonly changes: { change: Change; readonly subject: Subject; readonly at: number }[] = [];
  /** Nodes by owner that it adds to the store. */
  readonly charges = new Map<number, number>();
  readonly #store: TransactionStore;
  readonly #accesses = new Map<string, Access>();
  readonly #limit: number;
  /** Where in `changes` a node got its value, if it was not removed since: the next one takes its place. */
  readonly #values = new Map<string, number>();

  /** @param limit how many nodes it may touch */
  constructor(id: number, store: TransactionStore, limit: number) {
    this.id = id;
    this.#store = store;
    this.base = store.root;
    this.root = store.root;
    this.#limit = limit;
  }

  draw(): number {
    return this.#store.draw();
  }

  note(path: string, sees: number): boolean {
    const access = this.#accesses.get(path);
    if (access !== undefined) {
      access.sees |= sees;
      return true;
    }
    if (this.#accesses.size >= this.#limit) {
      this.failed = true;
      return false;
    }
    this.#accesses.set(path, { sees, fires: false, exact: false, before: undefined });
    return true;
  }

  permissionsOf(node: StoreNode): Permissions {
    return this.#store.permissionsOf(node);
  }

  nodesOf(domid: number): number {
    return this.#store.nodesOf(domid) + (this.charges.get(domid) ?? 0);
  }

  charge(domid: number, nodes: number): void {
    this.charges.set(domid, (this.charges.get(domid) ?? 0) + nodes);
  }

  keep(change: Change, subject: Subject): void {
    const { kind, names } = change;
    if (kind === 'remove') this.#values.clear();
    if (kind === 'write' || kind === 'create') {
      const path = names.join('/');
      const earlier = this.changes[this.#values.get(path) ?? -1];
      if (kind === 'write' && earlier !== undefined) {
        earlier.change = { ...earlier.change, value: change.value } as Change;
        return;
      }
      this.#values.set(path, this.changes.length);
    }
    if (this.changes.length >= CHANGES_PER_NODE * this.#limit) this.failed = true;
    else this.changes.push({ change, subject, at: this.draw() });
  }

  changed(path: string, node: StoreNode, exact: boolean, before?: Permissions): void {
    let access = this.#accesses.get(path);
    if (access === undefined) {
      access = { sees: 0, fires: false, exact: false, before: undefined };
      this.#accesses.set(path, access);
    }
    // Who was to be told of a change is told, though what removed the node later tells fewer.
    access.exact = exact && (access.exact || !access.fires);
    access.fires = true;
    access.before ??= before ?? this.permissionsOf(node);
  }

  /** Watches may be set before the transaction ends, so every node is remembered, parents first. */
  removing(path: string, node: StoreNode): void {
    walk(node, path, (inner, where) => this.changed(where, inner, where !== path));
  }

  /**
   * Events due at its end, one a node, in the order in which it first touched the nodes; none for a node that it
   * made and removed again.
   */
  due(): readonly DueEvent[] {
    return this.fired().filter(({ path }) => {
      const names = namesOf(path);
      return nodeAt(this.root, names) !== undefined || nodeAt(this.base, names) !== undefined;
    });
  }

  /** Events for all nodes that it changed; of those made and removed again one may come once more. */
  fired(): readonly DueEvent[] {
    const fired: DueEvent[] = [];
    for (const [path, { fires, exact, before }] of this.#accesses) {
      if (fires) fired.push({ path, exact, before });
    }
    return fired;
  }

  /** What it saw, for a state stream: path and parts. */
  seen(): readonly (readonly [path: string, sees: number])[] {
    return [...this.#accesses].map(([path, access]) => [path, access.sees] as const);
  }

  /**
   * Whether it gave permissions to a domain that is gone since: the next of its number is not meant.
   * @param gone whether a domain went after the number `since` was drawn
   */
  names(gone: (domid: number, since: number) => boolean): boolean {
    return this.changes.some(
      ({ change, at }) =>
        change.kind === 'permit' &&
        change.permissions.some(({ domid, stale }) => stale !== true && gone(domid, at)),
    );
  }

  /** Whether the store at `root` differs from its base in something it saw. */
  conflictsWith(root: StoreNode): boolean {
    if (this.doomed) return true;
    for (const [path, { sees }] of this.#accesses) {
      if (sees === 0) continue;
      const names = namesOf(path);
      const before = nodeAt(this.base, names);
      const now = nodeAt(root, names);
      if (before === now) continue;
      if (before === undefined || now === undefined || (sees & SEES_SUBTREE) !== 0) return true;
      if ((sees & SEES_SELF) !== 0 && before.generation !== now.generation) return true;
      if ((sees & SEES_CHILDREN) !== 0 && before.childGeneration !== now.childGeneration) {
        return true;
      }
    }
    return false;
  }
}
