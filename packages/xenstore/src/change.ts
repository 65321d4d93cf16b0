/*
 * The four changes a tree can undergo, without asking whether they are allowed: node-requests.ts asks, and a
 * transaction that commits makes its changes again on a newer tree.
 */
import type { Permissions, Subject } from './permissions.ts';
import { countOwners, nodeAt, StoreNode, withNodeAt, withoutNodeAt } from './store-node.ts';
import type { Change, View } from './view.ts';

const EMPTY = new Uint8Array(0);

/** The permissions a new child gets: its parent's, but what an unprivileged domain makes is its own. */
export const inherited = (parent: Permissions, subject: Subject): Permissions => {
  const first = parent[0];
  if (subject.privileged || first === undefined || first.domid === subject.domid) return parent;
  return [{ domid: subject.domid, access: first.access }, ...parent.slice(1)];
};

/** How many of the nodes that `names` lead through are there, the root not counted. */
export const depthOf = (root: StoreNode, names: readonly string[]): number => {
  let node: StoreNode | undefined = root;
  let depth = 0;
  while (depth < names.length) {
    node = node.children.get(names[depth] as string);
    if (node === undefined) break;
    depth++;
  }
  return depth;
};

const create = (
  view: View,
  names: readonly string[],
  value: Uint8Array,
  subject: Subject,
): void => {
  const depth = depthOf(view.root, names);
  let parent = nodeAt(view.root, names.slice(0, depth)) as StoreNode;
  for (let length = depth + 1; length <= names.length; length++) {
    const content = length === names.length ? value : EMPTY;
    const permissions = inherited(view.permissionsOf(parent), subject);
    const node = StoreNode.leaf(content, permissions, view.draw());
    view.root = withNodeAt(view.root, names.slice(0, length), node, view.draw());
    view.charge(node.owner, 1);
    parent = node;
  }
};

const remove = (view: View, names: readonly string[]): void => {
  const gone = nodeAt(view.root, names) as StoreNode;
  const owned = countOwners(gone, new Map());
  view.root = withoutNodeAt(view.root, names, view.draw());
  for (const [domid, nodes] of owned) view.charge(domid, -nodes);
};

const permit = (view: View, names: readonly string[], permissions: Permissions): void => {
  const old = nodeAt(view.root, names) as StoreNode;
  const node = old.withPermissions(permissions, view.draw());
  view.root = withNodeAt(view.root, names, node, 0);
  if (node.owner !== old.owner) {
    view.charge(old.owner, -1);
    view.charge(node.owner, 1);
  }
};

/** Makes `change` on the view's tree; the nodes that it takes for granted are there. */
export const apply = (view: View, change: Change, subject: Subject): void => {
  const { names } = change;
  switch (change.kind) {
    case 'write': {
      const node = nodeAt(view.root, names) as StoreNode;
      const permissions = view.permissionsOf(node);
      const next = node.withValue(change.value, permissions, view.draw());
      view.root = withNodeAt(view.root, names, next, 0);
      return;
    }
    case 'create':
      create(view, names, change.value, subject);
      return;
    case 'remove':
      remove(view, names);
      return;
    case 'permit':
      permit(view, names, change.permissions);
      return;
  }
};
