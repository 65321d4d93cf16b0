/*
 * Who is told that a node changed: whoever watches it or an ancestor, and may read it, or could before the change, or
 * may read its parent. Who is told is decided at the change; the order is that of connections, then of watches.
 */
import type { Connection } from './connection.ts';
import { namesOf, pathOf } from './path.ts';
import { MAY_READ, type Permissions, rightsOf, type Subject } from './permissions.ts';
import type { Announcer, Store } from './store.ts';
import { nodeAt, type StoreNode } from './store-node.ts';
import type { Watches } from './watches.ts';

/** Is told of every change: a node's value as it is now, or that it is gone with all below it. */
export type Observer = (path: string, value: Uint8Array | undefined) => void;

/** Turns changes of the store into events for connections. */
export class Announcements implements Announcer {
  readonly #store: Store;
  readonly #watches: Watches<Connection>;
  readonly #observers: Observer[] = [];

  constructor(store: Store, watches: Watches<Connection>) {
    this.#store = store;
    this.#watches = watches;
  }

  /** Adds one who is told of every change, whatever its permissions, as it is made. */
  observe(observer: Observer): void {
    this.#observers.push(observer);
  }

  changed(path: string, node: StoreNode | undefined, exact: boolean, before?: Permissions): void {
    for (const observer of this.#observers) observer(path, node?.value);
    this.#tell(path, node, exact, before);
  }

  #tell(path: string, node: StoreNode | undefined, exact: boolean, before?: Permissions): void {
    if (this.#watches.size === 0) return;
    for (const watch of this.#watches.matching(path, exact)) {
      if (this.#told(watch.watcher, path, node, before)) {
        watch.watcher.outlet.event(watch.pathFor(path), watch.token);
      }
    }
  }

  /** Children before parents, as xenstored removes them; nodes that nobody watches are not looked at. */
  removing(path: string, node: StoreNode): void {
    if (this.#watches.below(path)) this.#removeBelow(path, node);
    this.#tell(path, node, false);
    for (const observer of this.#observers) observer(path, undefined);
  }

  /** A domain came or went. */
  special(path: string): void {
    const permissions = this.#store.special.get(path) ?? [];
    for (const watch of this.#watches.special(path)) {
      if ((rightsOf(watch.watcher, permissions) & MAY_READ) !== 0) {
        watch.watcher.outlet.event(path, watch.token);
      }
    }
  }

  #removeBelow(path: string, node: StoreNode): void {
    for (const name of node.children.names()) {
      const child = node.children.get(name) as StoreNode;
      const where = path === '/' ? `/${name}` : `${path}/${name}`;
      if (this.#watches.below(where)) this.#removeBelow(where, child);
      this.#tell(where, child, true);
    }
  }

  #told(
    subject: Subject,
    path: string,
    node: StoreNode | undefined,
    before?: Permissions,
  ): boolean {
    if (subject.privileged) return true;
    const reads = (permissions: Permissions): boolean =>
      (rightsOf(subject, permissions) & MAY_READ) !== 0;
    if (before !== undefined && reads(before)) return true;
    if (node === undefined) return false;
    if (reads(this.#store.permissionsOf(node))) return true;
    const names = namesOf(path);
    const parent = nodeAt(this.#store.root, namesOf(pathOf(names, Math.max(0, names.length - 1))));
    return parent !== undefined && reads(this.#store.permissionsOf(parent));
  }
}
