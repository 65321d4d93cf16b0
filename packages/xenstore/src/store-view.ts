import type { Permissions } from './permissions.ts';
import type { Announcer, Store } from './store.ts';
import type { StoreNode } from './store-node.ts';
import type { View } from './view.ts';

/** The store itself, as a request outside transactions sees it: what it changes is there, and announced, at once. */
export class StoreView implements View {
  readonly #store: Store;
  readonly #announcer: Announcer;

  constructor(store: Store, announcer: Announcer) {
    this.#store = store;
    this.#announcer = announcer;
  }

  get root(): StoreNode {
    return this.#store.root;
  }

  set root(root: StoreNode) {
    this.#store.root = root;
  }

  draw(): number {
    return this.#store.draw();
  }

  note(): boolean {
    return true;
  }

  permissionsOf(node: StoreNode): Permissions {
    return this.#store.permissionsOf(node);
  }

  nodesOf(domid: number): number {
    return this.#store.nodesOf(domid);
  }

  charge(domid: number, nodes: number): void {
    this.#store.accounts.add(domid, 'nodes', nodes);
  }

  keep(): void {}

  changed(path: string, node: StoreNode, exact: boolean, before?: Permissions): void {
    this.#announcer.changed(path, node, exact, before);
  }

  removing(path: string, node: StoreNode): void {
    this.#announcer.removing(path, node);
  }
}
