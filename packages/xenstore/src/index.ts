export type { Account } from './accounts.ts';
export type { Outlet } from './connection.ts';
export type { MappedRing } from './domain-table.ts';
export { bytesOf, latin1, payloadOf, stringsOf } from './latin1.ts';
export { lintStore } from './lint/lint-store.ts';
export { StoreAudit } from './lint/store-audit.ts';
export { type End, XenbusHandshake } from './lint/xenbus-handshake.ts';
export { OutgoingQueue } from './outgoing-queue.ts';
export {
  type Access,
  type Permission,
  type Permissions,
  parsePermission,
  permissionText,
} from './permissions.ts';
export { DEFAULT_QUOTAS, type Quotas } from './quotas.ts';
export type { SocketState } from './state-save.ts';
export { decodeState, encodeState, type StatePeer, type StateRecord } from './state-stream.ts';
export { StoreClient } from './store-client.ts';
export { decodeMessage, encodeMessage, HEADER_SIZE, type Message, MessageDecoder } from './wire.ts';
export { type ErrorName, XenstoreError } from './xenstore-error.ts';
export {
  type Counters,
  type DumpedNode,
  type ServedConnection,
  type Successor,
  Xenstored,
  type XenstoredOptions,
} from './xenstored.ts';
