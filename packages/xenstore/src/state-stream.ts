/*
 * The state of a xenstored as bytes (docs/designs/xenstore-migration.md,
 * tools/xenstored/xenstore_state.h): what one daemon hands to the one that replaces it. A header in
 * big-endian, then records, each padded to 8 bytes, the padding counted, as C xenstored does:
 *
 *     "xenstore"  version u32  flags u32 (bit 0: the rest is big-endian)      | type u32  length u32  body ... |
 *
 *     1 GLOBAL   socket fd i32, event channel fd i32 (-1: none)
 *     2 CONN     id u32, type u16 (0 ring, 1 socket), pad u16,
 *                spec 8 B (domid u16, target u16 or DOMID_INVALID, port u32 | fd i32),
 *                in u16, part u16, out u32, then `in` bytes half read and `out` bytes not yet sent,
 *                of which `part` are the rest of a message that has begun to go out
 *     3 WATCH    connection u32, path length u16, token length u16, path, token (lengths with the NUL)
 *     4 TA       connection u32, transaction u32
 *     5 NODE     connection u32, transaction u32 (0, 0: the store's), path length u16, value length u16,
 *                access u16 (1 read, 2 written, 0 removed), entries u16,
 *                entries {letter, flags (1 stale), domid u16}, path, value. Bits of access that are ours:
 *                4 beside 1 when not its children, 8 when no event is due, 16 when one is for the
 *                very path only
 *     8 WATCH2   WATCH with depth u16 before the path (version 2)
 *     0 END
 *
 * A record refers only to what came before it. Read as hostile: every length and count is checked before it is used.
 */
import { DOMID_INVALID } from '@port-xen/abi';
import { latin1, payloadOf } from './latin1.ts';
import type { Access, Permission, Permissions } from './permissions.ts';
import { StateReader, StateWriter } from './state-words.ts';

const IDENT = 'xenstore';
const [END, GLOBAL, CONN, WATCH, TA, NODE, GLOBAL_QUOTA, DOMAIN, WATCH2] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8,
] as const;

/** Who a connection is. */
export type StatePeer =
  | {
      readonly kind: 'ring';
      readonly domid: number;
      readonly target: number | undefined;
      readonly port: number;
    }
  | { readonly kind: 'socket'; readonly fd: number };

/** One record. */
export type StateRecord =
  | { readonly type: 'global'; readonly socketFd: number; readonly eventChannelFd: number }
  | {
      readonly type: 'connection';
      readonly id: number;
      readonly peer: StatePeer;
      /** A request that has begun to come in. */
      readonly input: Uint8Array;
      /** What has not gone out. */
      readonly output: Uint8Array;
      /** Bytes of `output` that are the rest of a message. */
      readonly partial: number;
    }
  | {
      readonly type: 'watch';
      readonly connection: number;
      /** As it was given: relative ones without the home. */
      readonly path: string;
      readonly token: string;
      readonly depth: number;
    }
  | { readonly type: 'transaction'; readonly connection: number; readonly id: number }
  | {
      readonly type: 'node';
      /** 0 for a node of the store, which is `written`. */
      readonly connection: number;
      readonly transaction: number;
      readonly access: 'read' | 'read-self' | 'written' | 'removed';
      /** Whose event is due when the transaction that wrote or removed it ends; without it, everybody's. */
      readonly tells?: 'nobody' | 'exact';
      readonly path: string;
      readonly value: Uint8Array;
      /** None when the node is not there. */
      readonly permissions: Permissions;
    };

const ACCESS = { removed: 0, read: 1, written: 2, 'read-self': 5 } as const;
const TELLS = { nobody: 8, exact: 16 } as const;

const accessBits = ({ access, tells }: Extract<StateRecord, { type: 'node' }>): number =>
  ACCESS[access] | (tells === undefined ? 0 : TELLS[tells]);

const bodyOf = (record: StateRecord): readonly [type: number, body: StateWriter] => {
  const body = new StateWriter();
  switch (record.type) {
    case 'global':
      return [GLOBAL, body.u32(record.socketFd).u32(record.eventChannelFd)];
    case 'connection': {
      const { peer, input, output } = record;
      body
        .u32(record.id)
        .u16(peer.kind === 'ring' ? 0 : 1)
        .u16(0);
      if (peer.kind === 'ring')
        body
          .u16(peer.domid)
          .u16(peer.target ?? DOMID_INVALID)
          .u32(peer.port);
      else body.u32(peer.fd).u32(0);
      body.u16(input.length).u16(record.partial).u32(output.length);
      return [CONN, body.bytes(input).bytes(output)];
    }
    case 'watch': {
      const finite = record.depth !== Number.POSITIVE_INFINITY;
      body
        .u32(record.connection)
        .u16(record.path.length + 1)
        .u16(record.token.length + 1);
      if (finite) body.u16(record.depth);
      return [finite ? WATCH2 : WATCH, body.bytes(payloadOf([record.path, record.token]))];
    }
    case 'transaction':
      return [TA, body.u32(record.connection).u32(record.id)];
    case 'node': {
      const { permissions } = record;
      body.u32(record.connection).u32(record.transaction);
      body.u16(record.path.length + 1).u16(record.value.length);
      body.u16(record.connection === 0 ? 0 : accessBits(record)).u16(permissions.length);
      for (const { access, domid, stale } of permissions) {
        body
          .u8(access.charCodeAt(0))
          .u8(stale === true ? 1 : 0)
          .u16(domid);
      }
      return [NODE, body.bytes(payloadOf([record.path], record.value))];
    }
  }
};

/** The records as a stream, an END after them. */
export const encodeState = (records: readonly StateRecord[]): Uint8Array => {
  const stream = new StateWriter();
  const newer = records.some((r) => r.type === 'watch' && r.depth !== Number.POSITIVE_INFINITY);
  for (const letter of IDENT) stream.u8(letter.charCodeAt(0));
  for (const byte of [0, 0, 0, newer ? 2 : 1, 0, 0, 0, 0]) stream.u8(byte);
  for (const record of records) {
    const [type, body] = bodyOf(record);
    const bytes = body.align().done();
    stream.u32(type).u32(bytes.length).bytes(bytes);
  }
  return stream.u32(END).u32(0).done();
};

const permissionsIn = (body: StateReader, count: number): Permission[] => {
  const permissions: Permission[] = [];
  for (let i = 0; i < count; i++) {
    const access = String.fromCharCode(body.u8());
    const flags = body.u8();
    const domid = body.u16();
    if (!/^[nrwb]$/.test(access)) throw body.error(`one of n, r, w, b`, `"${access}"`);
    const entry = { access: access as Access, domid };
    permissions.push((flags & 1) !== 0 && i > 0 ? { ...entry, stale: true } : entry);
  }
  return permissions;
};

const textIn = (body: StateReader, length: number): string => {
  const bytes = body.bytes(length);
  if (bytes.indexOf(0) !== length - 1) {
    throw body.error(`a text of ${length} bytes with a NUL at its end`, 'another');
  }
  return latin1(bytes, 0, length - 1);
};

const accessIn = (bits: number): 'read' | 'read-self' | 'written' | 'removed' => {
  if ((bits & 2) !== 0) return 'written';
  if ((bits & 1) === 0) return 'removed';
  return (bits & 4) !== 0 ? 'read-self' : 'read';
};

const recordIn = (type: number, body: StateReader): StateRecord | undefined => {
  switch (type) {
    case GLOBAL:
      return { type: 'global', socketFd: body.u32() | 0, eventChannelFd: body.u32() | 0 };
    case CONN: {
      const id = body.u32();
      const kind = body.u16();
      body.u16();
      const [domid, target, port] = [body.u16(), body.u16(), body.u32()];
      const [input, partial, output] = [body.u16(), body.u16(), body.u32()];
      if (kind > 1) throw body.error('a connection of type 0 or 1', `${kind}`);
      if (partial > output) throw body.error(`a part of at most ${output} bytes`, `${partial}`);
      const peer: StatePeer =
        kind === 0
          ? { kind: 'ring', domid, target: target === DOMID_INVALID ? undefined : target, port }
          : { kind: 'socket', fd: domid | (target << 16) };
      return {
        type: 'connection',
        id,
        peer,
        partial,
        input: body.bytes(input),
        output: body.bytes(output),
      };
    }
    case WATCH:
    case WATCH2: {
      const [connection, path, token] = [body.u32(), body.u16(), body.u16()];
      const depth = type === WATCH2 ? body.u16() : Number.POSITIVE_INFINITY;
      return {
        type: 'watch',
        connection,
        path: textIn(body, path),
        token: textIn(body, token),
        depth,
      };
    }
    case TA:
      return { type: 'transaction', connection: body.u32(), id: body.u32() };
    case NODE: {
      const [connection, transaction] = [body.u32(), body.u32()];
      const [pathLength, valueLength, bits, count] = [
        body.u16(),
        body.u16(),
        body.u16(),
        body.u16(),
      ];
      const permissions = permissionsIn(body, count);
      const path = textIn(body, pathLength);
      const access = connection === 0 ? 'written' : accessIn(bits);
      const value = body.bytes(valueLength);
      const tells = (bits & TELLS.nobody) !== 0 ? 'nobody' : 'exact';
      const node = {
        type: 'node',
        connection,
        transaction,
        access,
        path,
        value,
        permissions,
      } as const;
      const limited = connection !== 0 && (bits & (TELLS.nobody | TELLS.exact)) !== 0;
      return limited ? { ...node, tells } : node;
    }
    case GLOBAL_QUOTA:
    case DOMAIN:
      return undefined;
    default:
      throw body.error('a record of type 0 to 8', `${type}`);
  }
};

/**
 * The records of a stream; quotas that it carries are left out, since a daemon is made with its own.
 * @throws Error a sentence that says what was expected, what was found, and at which byte
 */
export const decodeState = (stream: Uint8Array): StateRecord[] => {
  const head = new StateReader(stream, 0, Math.min(16, stream.length), false);
  const ident = latin1(head.bytes(8));
  if (ident !== IDENT) throw head.error(`"${IDENT}"`, JSON.stringify(ident));
  const [version, flags] = [head.u32Big(), head.u32Big()];
  if (version < 1 || version > 2) throw head.error('version 1 or 2', `${version}`);
  if (flags > 1) throw head.error('flags 0 or 1', `${flags}`);
  const records: StateRecord[] = [];
  const rest = new StateReader(stream, 16, stream.length, flags === 1);
  for (;;) {
    const [type, length] = [rest.u32(), rest.u32()];
    if (type === END) return records;
    const body = rest.part(length);
    const record = recordIn(type, body);
    if (record !== undefined) records.push(record);
    rest.align();
  }
};
