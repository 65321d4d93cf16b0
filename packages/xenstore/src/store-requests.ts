/*
 * The requests on nodes as the wire brings them: payloads are taken apart here, and replies put together.
 */
import { XENSTORE_PAYLOAD_MAX } from '@port-xen/abi';
import { type Answer, answerWith, type Call, leadingNumber, nodePath, onlyString } from './call.ts';
import { latin1, payloadOf, stringsOf } from './latin1.ts';
import { isSpecial } from './path.ts';
import {
  MAY_OWN,
  MAY_READ,
  MAY_WRITE,
  type Permission,
  parsePermission,
  permissionText,
  rightsOf,
} from './permissions.ts';

/** XS_READ: `<path>|` gives the value. */
export const read = (call: Call): Answer => {
  const path = nodePath(call, onlyString(call.payload));
  if (path === undefined) return 'EINVAL';
  return answerWith(call.nodes.node(path, MAY_READ), (node) => node.value);
};

/** XS_DIRECTORY: `<path>|` gives the children's names, a NUL after each. */
export const directory = (call: Call): Answer => {
  const path = nodePath(call, onlyString(call.payload));
  if (path === undefined) return 'EINVAL';
  return answerWith(call.nodes.directory(path), (node) =>
    node.children.listingLength > XENSTORE_PAYLOAD_MAX ? 'E2BIG' : node.children.listing(),
  );
};

/** XS_DIRECTORY_PART: `<path>|<offset>|` gives `<version>|` and whole names from the offset on; an empty one ends the list. */
export const directoryPart = (call: Call): Answer => {
  const words = stringsOf(call.payload);
  if (words.length !== 2) return 'EINVAL';
  const path = nodePath(call, words[0]);
  if (path === undefined) return 'EINVAL';
  const offset = leadingNumber(words[1] as string) >>> 0;
  return answerWith(call.nodes.directory(path), (node) => {
    const listing = node.children.listing();
    const version = `${node.version}`;
    if (offset >= listing.length) return payloadOf([version, '']);
    const room = XENSTORE_PAYLOAD_MAX - (version.length + 1) - 1;
    let end = Math.min(listing.length, offset + room);
    while (end > offset && listing[end - 1] !== 0) end--;
    const last = end === listing.length ? new Uint8Array(1) : new Uint8Array(0);
    const part = new Uint8Array(end - offset + last.length);
    part.set(listing.subarray(offset, end));
    return payloadOf([version], part);
  });
};

/** XS_WRITE: `<path>|<value>`. */
export const write = (call: Call): Answer => {
  const nul = call.payload.indexOf(0);
  if (nul < 0) return 'EINVAL';
  const path = nodePath(call, latin1(call.payload, 0, nul));
  if (path === undefined) return 'EINVAL';
  return call.nodes.write(path, call.payload.slice(nul + 1));
};

/** XS_MKDIR: `<path>|`; fine when it is there. */
export const mkdir = (call: Call): Answer => {
  const path = nodePath(call, onlyString(call.payload));
  return path === undefined ? 'EINVAL' : call.nodes.mkdir(path);
};

/** XS_RM: `<path>|`; fine when it is not there and its parent is. */
export const rm = (call: Call): Answer => {
  const path = nodePath(call, onlyString(call.payload));
  return path === undefined ? 'EINVAL' : call.nodes.remove(path);
};

/** XS_GET_PERMS: `<path>|` gives `<permission>|` for each entry. */
export const getPermissions = (call: Call): Answer => {
  const path = nodePath(call, onlyString(call.payload));
  if (path === undefined) return 'EINVAL';
  return answerWith(call.nodes.node(path, MAY_READ), (node) =>
    payloadOf(node.permissions.map(permissionText)),
  );
};

/** XS_SET_PERMS: `<path>|<permission>|…`; the first is the owner's. */
export const setPermissions = (call: Call): Answer => {
  const { connection, daemon } = call;
  const [word, ...entries] = stringsOf(call.payload);
  if (word === undefined || entries.length === 0) return 'EINVAL';
  if (!connection.privileged && entries.length > daemon.quotas.permissions) return 'ENOSPC';
  const permissions: Permission[] = [];
  for (const text of entries) {
    const entry = parsePermission(text);
    if (entry === undefined) return 'EINVAL';
    const known = daemon.domains.exists(entry.domid);
    if (!known && permissions.length === 0) return 'ENOENT';
    permissions.push(Object.freeze(known ? entry : { ...entry, stale: true }));
  }
  Object.freeze(permissions);
  if (isSpecial(word)) {
    const old = daemon.store.special.get(word);
    if (old === undefined) return 'EINVAL';
    const needs = MAY_WRITE | MAY_OWN;
    if ((rightsOf(connection, old) & needs) !== needs) return 'EACCES';
    daemon.store.special.set(word, permissions);
    return undefined;
  }
  const path = nodePath(call, word);
  return path === undefined ? 'EINVAL' : call.nodes.setPermissions(path, permissions);
};
