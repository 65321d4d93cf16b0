/*
 * The requests on nodes: what the caller may do is asked of the node, or of its nearest ancestor when it is not
 * there, so that nobody learns of the existence of what it may not see.
 */
import { apply, depthOf, inherited } from './change.ts';
import { namesOf, pathOf } from './path.ts';
import {
  MAY_OWN,
  MAY_READ,
  MAY_WRITE,
  type Permissions,
  rightsOf,
  type Subject,
} from './permissions.ts';
import type { Quotas } from './quotas.ts';
import { nodeAt, type StoreNode } from './store-node.ts';
import { type Change, SEES_CHILDREN, SEES_SELF, SEES_SUBTREE, type View } from './view.ts';
import type { ErrorName } from './xenstore-error.ts';

const NOTHING = new Uint8Array(0);

/** Requests on the nodes of a view, for a caller. Paths are absolute and valid. */
export class NodeRequests {
  readonly #view: View;
  readonly #subject: Subject;
  readonly #quotas: Quotas;

  constructor(view: View, subject: Subject, quotas: Quotas) {
    this.#view = view;
    this.#subject = subject;
    this.#quotas = quotas;
  }

  /** The node at `path` if the caller has all of `rights`; `sees` is noted. */
  node(path: string, rights: number, sees: number = SEES_SELF): StoreNode | ErrorName {
    return this.#find(path, namesOf(path), rights, sees);
  }

  #find(
    path: string,
    names: readonly string[],
    rights: number,
    sees: number,
  ): StoreNode | ErrorName {
    if (!this.#view.note(path, sees)) return 'ENOSPC';
    const node = nodeAt(this.#view.root, names);
    if (node !== undefined) return this.#may(node, rights) === rights ? node : 'EACCES';
    const depth = depthOf(this.#view.root, names);
    for (let length = names.length - 1; length >= depth; length--) {
      if (!this.#view.note(pathOf(names, length), SEES_SELF)) return 'ENOSPC';
    }
    const nearest = nodeAt(this.#view.root, names.slice(0, depth)) as StoreNode;
    return this.#may(nearest, rights) === 0 ? 'EACCES' : 'ENOENT';
  }

  /** The node whose children the caller lists. */
  directory(path: string): StoreNode | ErrorName {
    return this.node(path, MAY_READ, SEES_SELF | SEES_CHILDREN);
  }

  write(path: string, value: Uint8Array): ErrorName | undefined {
    const names = namesOf(path);
    const node = this.#find(path, names, MAY_WRITE, SEES_SELF);
    if (node === 'ENOENT') return this.#create(path, names, value);
    if (typeof node === 'string') return node;
    if (this.#tooLarge(node.recordSize - node.value.length + value.length)) return 'ENOSPC';
    this.#make({ kind: 'write', names, value });
    this.#tell(path, names);
    return undefined;
  }

  mkdir(path: string): ErrorName | undefined {
    const names = namesOf(path);
    const node = this.#find(path, names, MAY_WRITE, SEES_SELF);
    if (node === 'ENOENT') return this.#create(path, names, NOTHING);
    return typeof node === 'string' ? node : undefined;
  }

  remove(path: string): ErrorName | undefined {
    const names = namesOf(path);
    const node = this.#find(path, names, MAY_WRITE, SEES_SUBTREE);
    if (node === 'ENOENT') {
      // What is not there is removed already, if its parent is there.
      return depthOf(this.#view.root, names) >= names.length - 1 ? undefined : 'ENOENT';
    }
    if (typeof node === 'string') return node;
    if (names.length === 0) return 'EINVAL';
    // Sees nothing of the parent, but puts it in its place in the order of what was touched.
    this.#view.note(pathOf(names, names.length - 1), 0);
    this.#view.removing(path, node);
    this.#make({ kind: 'remove', names });
    return undefined;
  }

  setPermissions(path: string, permissions: Permissions): ErrorName | undefined {
    const names = namesOf(path);
    const node = this.#find(path, names, MAY_WRITE | MAY_OWN, SEES_SELF);
    if (typeof node === 'string') return node;
    const owner = permissions[0]?.domid;
    if (!this.#subject.privileged && owner !== node.owner) return 'EPERM';
    const before = this.#view.permissionsOf(node);
    const growth = 8 * (permissions.length - node.permissions.length);
    if (this.#tooLarge(node.recordSize + growth)) return 'ENOSPC';
    this.#make({ kind: 'permit', names, permissions });
    this.#tell(path, names, before);
    return undefined;
  }

  #may(node: StoreNode, rights: number): number {
    return rightsOf(this.#subject, this.#view.permissionsOf(node)) & rights;
  }

  #tooLarge(recordSize: number): boolean {
    return !this.#subject.privileged && recordSize >= this.#quotas.nodeSize;
  }

  #make(change: Change): void {
    apply(this.#view, change, this.#subject);
    this.#view.keep(change, this.#subject);
  }

  #tell(path: string, names: readonly string[], before?: Permissions): void {
    this.#view.changed(path, nodeAt(this.#view.root, names) as StoreNode, false, before);
  }

  #create(path: string, names: readonly string[], value: Uint8Array): ErrorName | undefined {
    const { root } = this.#view;
    const depth = depthOf(root, names);
    if (!this.#subject.privileged) {
      const parent = nodeAt(root, names.slice(0, depth)) as StoreNode;
      const missing = names.length - depth;
      if (this.#view.nodesOf(this.#subject.domid) + missing > this.#quotas.nodes) return 'ENOSPC';
      const entry = (names[depth] as string).length + 1;
      if (this.#tooLarge(parent.recordSize + entry)) return 'ENOSPC';
      // The node itself; the ones between hold nothing but one name.
      const permissions = inherited(parent.permissions, this.#subject).length;
      if (this.#tooLarge(24 + 8 * permissions + value.length)) return 'ENOSPC';
    }
    this.#make({ kind: 'create', names, value });
    this.#tell(path, names);
    return undefined;
  }
}
