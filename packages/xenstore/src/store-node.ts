/*
 * A node is never changed: a change makes a new node, and new nodes for all its ancestors up to a new root, which
 * share everything else with the old. So the old root is a snapshot, and whether a subtree changed between two
 * roots is one comparison of references.
 *
 *     generation       drawn anew whenever value or permissions change or the node is made; no two are equal
 *     childGeneration  drawn anew whenever a child's name comes or goes
 */
import { Children } from './children.ts';
import type { Permission, Permissions } from './permissions.ts';

/** What xenstored's node record takes besides value, permissions and names of children, in bytes. */
const RECORD_HEADER = 24;
const RECORD_PERMISSION = 8;

/** One node of the store, immutable. */
export class StoreNode {
  readonly value: Uint8Array;
  readonly permissions: Permissions;
  readonly children: Children;
  readonly generation: number;
  readonly childGeneration: number;
  /** Nodes of the subtree, this one included, if it is known that all have one owner; else 0. */
  readonly uniform: number;

  private constructor(
    value: Uint8Array,
    permissions: Permissions,
    children: Children,
    generation: number,
    childGeneration: number,
    uniform: number,
  ) {
    this.value = value;
    this.permissions = permissions;
    this.children = children;
    this.generation = generation;
    this.childGeneration = childGeneration;
    this.uniform = uniform;
  }

  /** A node without children. */
  static leaf(value: Uint8Array, permissions: Permissions, generation: number): StoreNode {
    return new StoreNode(value, permissions, Children.none, generation, 0, 1);
  }

  get owner(): number {
    return (this.permissions[0] as Permission).domid;
  }

  /** Bytes of the record that C xenstored would keep of this node: what the node size quota limits. */
  get recordSize(): number {
    return (
      RECORD_HEADER +
      RECORD_PERMISSION * this.permissions.length +
      this.value.length +
      this.children.listingLength
    );
  }

  /** A number that is another after any change to the node or to the list of its children. */
  get version(): number {
    return Math.max(this.generation, this.childGeneration);
  }

  /** @param permissions this node's, stale entries marked, which the new generation would hide */
  withValue(value: Uint8Array, permissions: Permissions, generation: number): StoreNode {
    const { children, childGeneration, uniform } = this;
    return new StoreNode(value, permissions, children, generation, childGeneration, uniform);
  }

  withPermissions(permissions: Permissions, generation: number): StoreNode {
    const { value, children, childGeneration } = this;
    const same = (permissions[0] as Permission).domid === this.owner;
    const uniform = same ? this.uniform : children.size === 0 ? 1 : 0;
    return new StoreNode(value, permissions, children, generation, childGeneration, uniform);
  }

  /** With another child in the place of `old`, or a new one, for which `generation` marks the change of names. */
  withChild(
    name: string,
    child: StoreNode,
    old: StoreNode | undefined,
    generation: number,
  ): StoreNode {
    const { value, permissions } = this;
    const alike = this.uniform > 0 && child.uniform > 0 && child.owner === this.owner;
    return new StoreNode(
      value,
      permissions,
      this.children.with(name, child),
      this.generation,
      old === undefined ? generation : this.childGeneration,
      alike ? this.uniform - (old?.uniform ?? 0) + child.uniform : 0,
    );
  }

  /** Without the child `old`; `generation` marks the change of names. */
  withoutChild(name: string, old: StoreNode, generation: number): StoreNode {
    const { value, permissions } = this;
    const children = this.children.without(name);
    const uniform = children.size === 0 ? 1 : this.uniform > 0 ? this.uniform - old.uniform : 0;
    return new StoreNode(value, permissions, children, this.generation, generation, uniform);
  }
}

/** The node that `names` lead to from `root`. */
export const nodeAt = (root: StoreNode, names: readonly string[]): StoreNode | undefined => {
  let node: StoreNode | undefined = root;
  for (let i = 0; i < names.length && node !== undefined; i++) {
    node = node.children.get(names[i] as string);
  }
  return node;
};

/**
 * `root` with `node` at `names`, whose parent is there; a new name draws `generation` for its parent.
 */
export const withNodeAt = (
  root: StoreNode,
  names: readonly string[],
  node: StoreNode,
  generation: number,
  depth = 0,
): StoreNode => {
  if (depth === names.length) return node;
  const name = names[depth] as string;
  const child = root.children.get(name);
  const inner = child === undefined ? node : withNodeAt(child, names, node, generation, depth + 1);
  return root.withChild(name, inner, child, generation);
};

/** `root` without the node at `names`, which is there and is not the root. */
export const withoutNodeAt = (
  root: StoreNode,
  names: readonly string[],
  generation: number,
  depth = 0,
): StoreNode => {
  const name = names[depth] as string;
  const child = root.children.get(name) as StoreNode;
  if (depth === names.length - 1) return root.withoutChild(name, child, generation);
  const inner = withoutNodeAt(child, names, generation, depth + 1);
  return root.withChild(name, inner, child, generation);
};

/** Calls `visit` with every node of the subtree, parents first, children in order. */
export const walk = (
  node: StoreNode,
  path: string,
  visit: (node: StoreNode, path: string) => void,
): void => {
  visit(node, path);
  if (node.children.size === 0) return;
  const prefix = path === '/' ? '/' : `${path}/`;
  for (const name of node.children.names()) {
    walk(node.children.get(name) as StoreNode, prefix + name, visit);
  }
};

/** Adds the nodes of a subtree up by owner; subtrees of one owner are not walked. */
export const countOwners = (node: StoreNode, into: Map<number, number>): Map<number, number> => {
  const { owner, uniform } = node;
  into.set(owner, (into.get(owner) ?? 0) + Math.max(1, uniform));
  if (uniform > 0) return into;
  node.children.forEach((child) => {
    countOwners(child, into);
  });
  return into;
};
