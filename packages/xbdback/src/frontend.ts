/*
 * What a front end says of itself in its own directory, which its guest may write as it likes:
 *
 *     ring-ref         grant reference of the ring page
 *     event-channel    the guest's port
 *     protocol         x86_64-abi, or absent
 */
import { numberAt } from '@port-xen/xenbus-backend';
import type { StoreClient } from '@port-xen/xenstore';

const PROTOCOL = 'x86_64-abi';

/** Where the ring is. */
export interface Frontend {
  readonly ringRef: number;
  readonly port: number;
}

/** @returns where the ring is, or a sentence saying what the front end got wrong */
export const readFrontend = (store: StoreClient, directory: string): Frontend | string => {
  const ringRef = numberAt(store, directory, 'ring-ref');
  if (typeof ringRef === 'string') return ringRef;
  const port = numberAt(store, directory, 'event-channel');
  if (typeof port === 'string') return port;
  const protocol = store.tryRead(`${directory}/protocol`);
  if (protocol !== undefined && protocol !== PROTOCOL) {
    return `expected protocol ${PROTOCOL} in ${directory}/protocol, found ${JSON.stringify(protocol.slice(0, 40))}`;
  }
  return { ringRef, port };
};
