import type { Permissions, Subject } from './permissions.ts';
import type { StoreNode } from './store-node.ts';

/*
 * A request reads and changes a tree of nodes without knowing which: the store itself, or what a transaction sees.
 */

/** Which part of a node a request looked at: what another's change would have to leave alone. */
export const SEES_SELF = 1;
export const SEES_CHILDREN = 2;
export const SEES_SUBTREE = 4;

/** A change, as a transaction keeps it to make it again at its end. */
export type Change =
  | { readonly kind: 'write'; readonly names: readonly string[]; readonly value: Uint8Array }
  | { readonly kind: 'create'; readonly names: readonly string[]; readonly value: Uint8Array }
  | { readonly kind: 'remove'; readonly names: readonly string[] }
  | {
      readonly kind: 'permit';
      readonly names: readonly string[];
      readonly permissions: Permissions;
    };

/** What a request works on. */
export interface View {
  /** The tree as the request sees it; assigned by a change. */
  root: StoreNode;
  /** Draws a number that no node has. */
  draw(): number;
  /**
   * Notes that the request saw `sees` of the node at `path`.
   * @returns false when the transaction may touch no further nodes
   */
  note(path: string, sees: number): boolean;
  /** The permissions of a node, entries of domains that have gone since they were set marked as stale. */
  permissionsOf(node: StoreNode): Permissions;
  /** Nodes that `domid` owns, as the request sees it. */
  nodesOf(domid: number): number;
  /** Counts nodes for their owner. */
  charge(domid: number, nodes: number): void;
  /** Keeps a change that was made. */
  keep(change: Change, subject: Subject): void;
  /**
   * The node at `path` changed. Events go out now, or at the transaction's end.
   * @param node the node as it is now
   * @param exact only watches on `path` itself, none on its ancestors
   * @param before the permissions before the change, when they are others
   */
  changed(path: string, node: StoreNode, exact: boolean, before?: Permissions): void;
  /** The subtree of `node` at `path` is about to go: events for each of its nodes, for the top one with ancestors. */
  removing(path: string, node: StoreNode): void;
}
