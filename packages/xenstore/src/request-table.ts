import {
  XS_CONTROL,
  XS_DIRECTORY,
  XS_DIRECTORY_PART,
  XS_GET_DOMAIN_PATH,
  XS_GET_PERMS,
  XS_INTRODUCE,
  XS_IS_DOMAIN_INTRODUCED,
  XS_MKDIR,
  XS_READ,
  XS_RELEASE,
  XS_RESET_WATCHES,
  XS_RESUME,
  XS_RM,
  XS_SET_PERMS,
  XS_SET_TARGET,
  XS_TRANSACTION_END,
  XS_TRANSACTION_START,
  XS_UNWATCH,
  XS_WATCH,
  XS_WRITE,
} from '@port-xen/abi';
import type { Answer, Call } from './call.ts';
import * as domains from './domain-requests.ts';
import * as sessions from './session-requests.ts';
import * as nodes from './store-requests.ts';

/** How a request of one type is handled. */
export interface Request {
  readonly handle: (call: Call) => Answer;
  /** Only for dom0. */
  readonly privileged: boolean;
  /** The transaction id in its header means nothing. */
  readonly noTransaction: boolean;
}

const open = (handle: Request['handle']): Request => ({
  handle,
  privileged: false,
  noTransaction: false,
});
const dom0Only = (handle: Request['handle']): Request => ({ ...open(handle), privileged: true });
const untransacted = (handle: Request['handle']): Request => ({
  ...open(handle),
  noTransaction: true,
});

/** Every request type that is answered with anything but ENOSYS (io/xs_wire.h). */
export const REQUESTS: ReadonlyMap<number, Request> = new Map([
  [XS_CONTROL, dom0Only(sessions.control)],
  [XS_DIRECTORY, open(nodes.directory)],
  [XS_READ, open(nodes.read)],
  [XS_GET_PERMS, open(nodes.getPermissions)],
  [XS_WATCH, untransacted(sessions.watch)],
  [XS_UNWATCH, untransacted(sessions.unwatch)],
  [XS_TRANSACTION_START, open(sessions.transactionStart)],
  [XS_TRANSACTION_END, open(sessions.transactionEnd)],
  [XS_INTRODUCE, dom0Only(domains.introduce)],
  [XS_RELEASE, dom0Only(domains.release)],
  [XS_GET_DOMAIN_PATH, open(domains.getDomainPath)],
  [XS_WRITE, open(nodes.write)],
  [XS_MKDIR, open(nodes.mkdir)],
  [XS_RM, open(nodes.rm)],
  [XS_SET_PERMS, open(nodes.setPermissions)],
  [XS_IS_DOMAIN_INTRODUCED, dom0Only(domains.isDomainIntroduced)],
  [XS_RESUME, dom0Only(domains.resume)],
  [XS_SET_TARGET, dom0Only(domains.setTarget)],
  [XS_RESET_WATCHES, open(sessions.resetWatches)],
  [XS_DIRECTORY_PART, open(nodes.directoryPart)],
]);
