/*
 * A device's state node holds a small decimal number (io/xenbus.h, enum xenbus_state). A guest writes its own, so
 * it is read as hostile text: anything but the digits of a known state is Unknown, and a node that is not there
 * counts as Closed, as NetBSD's xenbus_read_driver_state has it: a front end whose directory vanished with
 * its domain has closed.
 */

import { XenbusStateClosed, XenbusStateUnknown } from '@port-xen/abi';

/** @param node what the state node holds; undefined when there is no such node */
export const stateOf = (node: string | undefined): number => {
  if (node === undefined) return XenbusStateClosed;
  return /^[0-8]$/.test(node) ? Number(node) : XenbusStateUnknown;
};
