/*
 * What one unprivileged domain may take. Dom0 and what is connected to a socket is limited only
 * where a limit says so, but every node is counted for its owner, whoever made it.
 */

/** Limits per unprivileged domain. Defaults are those of C xenstored 4.17. */
export interface Quotas {
  /** Nodes it may own. */
  readonly nodes: number;
  /** Bytes of a node's record: 24, 8 for each permission, the value, the names of the children with a NUL each. */
  readonly nodeSize: number;
  /** Watches: the request that would go beyond one more than this is refused (as in C). */
  readonly watches: number;
  /** Open transactions: the request that would go beyond one more than this is refused (as in C). */
  readonly transactions: number;
  /** Nodes one transaction may touch. Of changes it may make four times as many; writes of one node count once. */
  readonly transactionNodes: number;
  /** Entries in a node's permissions. */
  readonly permissions: number;
  /** Requests answered but not yet taken from the ring; beyond, the daemon reads no further ones. */
  readonly outstanding: number;
  /** Bytes of events waiting for a reader; an event beyond is dropped and counted. */
  readonly queuedBytes: number;
  /** Watches of one connection, dom0's too. */
  readonly connectionWatches: number;
  /** Open transactions of one connection, dom0's too. */
  readonly connectionTransactions: number;
  /** Bytes of a path, /local/domain/N/ not counted; for dom0 too. */
  readonly pathLength: number;
}

export const DEFAULT_QUOTAS: Quotas = Object.freeze({
  nodes: 1000,
  nodeSize: 2048,
  watches: 128,
  transactions: 10,
  transactionNodes: 1024,
  permissions: 5,
  outstanding: 20,
  queuedBytes: 2_621_440,
  connectionWatches: 65_536,
  connectionTransactions: 1024,
  pathLength: 2048,
});
