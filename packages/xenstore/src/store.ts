/*
 * The store: one root, the numbers by which nodes tell their age, and who owns how many of them.
 */
import { Accounts } from './accounts.ts';
import { apply } from './change.ts';
import { namesOf } from './path.ts';
import type { Permission, Permissions, Subject } from './permissions.ts';
import type { Quotas } from './quotas.ts';
import { countOwners, nodeAt, StoreNode, walk, withNodeAt, withoutNodeAt } from './store-node.ts';
import { StoreView } from './store-view.ts';
import type { Transaction } from './transaction.ts';
import type { View } from './view.ts';
import type { ErrorName } from './xenstore-error.ts';

const DOM0: Permissions = Object.freeze([Object.freeze({ domid: 0, access: 'n' } as const)]);
const NOTHING = new Uint8Array(0);

/** The events a change of the store gives rise to. */
export interface Announcer {
  /** @param node undefined when it is there no more: then `before` alone says who is told */
  changed(path: string, node: StoreNode | undefined, exact: boolean, before?: Permissions): void;
  removing(path: string, node: StoreNode): void;
}

const SILENT: Announcer = { changed: () => undefined, removing: () => undefined };

/** The nodes, and what is known about them without looking. */
export class Store {
  root: StoreNode = StoreNode.leaf(NOTHING, DOM0, 1);
  readonly accounts: Accounts = new Accounts();
  /** Permissions of the special nodes: who is told of domains that come and go. */
  readonly special: Map<string, Permissions> = new Map([
    ['@introduceDomain', DOM0],
    ['@releaseDomain', DOM0],
  ]);
  #generation = 1;
  /** When a domain id was last given up: entries for it in nodes older than that mean a domain that is gone. */
  readonly #departures = new Map<number, number>();

  constructor() {
    this.accounts.add(0, 'nodes', 1);
    for (const path of ['/tool', '/tool/xenstored']) {
      const node = StoreNode.leaf(NOTHING, DOM0, this.draw());
      this.root = withNodeAt(this.root, namesOf(path), node, this.draw());
      this.accounts.add(0, 'nodes', 1);
    }
  }

  draw(): number {
    return ++this.#generation;
  }

  nodesOf(domid: number): number {
    return this.accounts.of(domid).nodes;
  }

  permissionsOf(node: StoreNode): Permissions {
    const { permissions } = node;
    if (this.#departures.size === 0 || permissions.length === 1) return permissions;
    const isStale = (entry: Permission, i: number): boolean =>
      i > 0 && (this.#departures.get(entry.domid) ?? 0) > node.generation;
    return permissions.some(isStale)
      ? permissions.map((entry, i) => (isStale(entry, i) ? { ...entry, stale: true } : entry))
      : permissions;
  }

  /** A view on which changes can be tried: nothing of them is kept, counted or announced. */
  scratch(): View {
    return {
      root: this.root,
      draw: () => this.draw(),
      note: () => true,
      permissionsOf: (node) => this.permissionsOf(node),
      nodesOf: () => 0,
      charge: () => undefined,
      keep: () => undefined,
      changed: () => undefined,
      removing: () => undefined,
    };
  }

  /** Starts over with `root`, which has no children yet. */
  replaceAll(root: StoreNode): void {
    for (const [owner, nodes] of countOwners(this.root, new Map())) {
      this.accounts.add(owner, 'nodes', -nodes);
    }
    this.root = root;
    this.accounts.add(root.owner, 'nodes', 1);
  }

  /**
   * Makes what `transaction` did part of the store, and announces it.
   * @returns why it cannot be; the transaction is over either way
   */
  commit(
    transaction: Transaction,
    subject: Subject,
    quotas: Quotas,
    announcer: Announcer,
  ): ErrorName | undefined {
    if (transaction.failed) return 'ENOMEM';
    if (transaction.doomed) return 'EAGAIN';
    if (transaction.changes.length === 0) return undefined;
    const gone = (domid: number, since: number) => (this.#departures.get(domid) ?? 0) > since;
    if (transaction.names(gone)) return 'EAGAIN';
    if (!subject.privileged) {
      for (const [domid, nodes] of transaction.charges) {
        if (nodes > 0 && this.nodesOf(domid) + nodes > quotas.nodes) return 'ENOSPC';
      }
    }
    if (this.root === transaction.base) {
      this.root = transaction.root;
      for (const [domid, nodes] of transaction.charges) this.accounts.add(domid, 'nodes', nodes);
    } else {
      if (transaction.conflictsWith(this.root)) return 'EAGAIN';
      const silent = new StoreView(this, SILENT);
      for (const { change, subject: maker } of transaction.changes) apply(silent, change, maker);
    }
    for (const { path, exact, before } of transaction.due()) {
      announcer.changed(path, nodeAt(this.root, namesOf(path)), exact, before);
    }
    return undefined;
  }

  /**
   * A domain is gone for good. Its entries in other owners' permissions lose their meaning.
   * @param keep its nodes become dom0's; otherwise they are removed with all that is below them
   */
  depart(domid: number, keep: boolean, announcer: Announcer): void {
    const owned = this.nodesOf(domid);
    this.#departures.set(domid, this.draw());
    for (const [path, permissions] of this.special) {
      const rest = permissions.filter((entry, i) => i === 0 || entry.domid !== domid);
      if (rest.length < permissions.length) this.special.set(path, rest);
    }
    if (owned === 0) return;
    if (this.root.owner === domid) this.#adopt('/', domid);
    for (const { path, node } of this.#orphans(domid, keep)) {
      if (keep) this.#adopt(path, domid);
      else {
        announcer.removing(path, node);
        for (const [owner, nodes] of countOwners(node, new Map())) {
          this.accounts.add(owner, 'nodes', -nodes);
        }
        this.root = withoutNodeAt(this.root, namesOf(path), this.draw());
      }
    }
  }

  #orphans(domid: number, nested: boolean): { path: string; node: StoreNode }[] {
    const found: { path: string; node: StoreNode }[] = [];
    let covered = '';
    walk(this.root, '/', (node, path) => {
      if (node.owner !== domid || path === '/') return;
      if (!nested && covered !== '' && path.startsWith(covered)) return;
      found.push({ path, node });
      covered = `${path}/`;
    });
    return found;
  }

  #adopt(path: string, domid: number): void {
    const names = namesOf(path);
    const node = nodeAt(this.root, names) as StoreNode;
    const [first, ...rest] = node.permissions;
    const permissions = [{ domid: 0, access: (first as Permission).access }, ...rest];
    this.root = withNodeAt(this.root, names, node.withPermissions(permissions, node.generation), 0);
    this.accounts.add(domid, 'nodes', -1);
    this.accounts.add(0, 'nodes', 1);
  }
}
