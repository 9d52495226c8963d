/**
 * What one guest may take of the store, after xenstored's defaults. Domain0 is not limited.
 */
export interface Quota {
  /** Nodes owned. Beyond it: ENOSPC. */
  readonly nodes: number;
  /** Watches of a connection. Beyond it: E2BIG. */
  readonly watches: number;
  /** Open transactions of a connection. Beyond it: ENOSPC. */
  readonly transactions: number;
  /** Nodes that one transaction may touch. Beyond it: ENOSPC. */
  readonly transactionNodes: number;
  /** Bytes of a node's value. Beyond it: ENOSPC. */
  readonly valueBytes: number;
  /** Entries of a permission list. Beyond it: ENOSPC. */
  readonly permissions: number;
  /** Names in a path. Beyond it: ENOSPC. */
  readonly depth: number;
  /** Replies and events that wait for room in the ring before watch events are dropped, bytes. */
  readonly pendingBytes: number;
}

export const DEFAULT_QUOTA: Quota = {
  nodes: 1000,
  watches: 128,
  transactions: 10,
  transactionNodes: 1024,
  valueBytes: 2048,
  permissions: 5,
  depth: 64,
  pendingBytes: 256 * 1024,
};
