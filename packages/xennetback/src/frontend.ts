/*
 * What a front end says of itself in its own directory, which its guest may write as it likes:
 *
 *     tx-ring-ref, rx-ring-ref    grant references of the ring pages
 *     event-channel               the guest's port, for both rings
 *     request-rx-copy             1: it grants pages to be filled; otherwise it takes frames of memory
 *     feature-sg                  1: a frame may come in several of them
 *     feature-no-csum-offload     1: a frame must come with its checksum
 */
import { numberAt } from '@port-xen/xenbus-backend';
import type { StoreClient } from '@port-xen/xenstore';

/** Where the rings are, and how the front end wants its frames. */
export interface Frontend {
  readonly txRingRef: number;
  readonly rxRingRef: number;
  readonly port: number;
  readonly sg: boolean;
  readonly checksumOffload: boolean;
}

/**
 * @param rxCopy whether the back end fills pages (feature-rx-copy) or gives them
 * @returns what the front end says, or a sentence saying what it got wrong
 */
export const readFrontend = (
  store: StoreClient,
  directory: string,
  rxCopy: boolean,
): Frontend | string => {
  const txRingRef = numberAt(store, directory, 'tx-ring-ref');
  if (typeof txRingRef === 'string') return txRingRef;
  const rxRingRef = numberAt(store, directory, 'rx-ring-ref');
  if (typeof rxRingRef === 'string') return rxRingRef;
  const port = numberAt(store, directory, 'event-channel');
  if (typeof port === 'string') return port;
  const says = (name: string): boolean => store.tryRead(`${directory}/${name}`) === '1';
  if (says('request-rx-copy') !== rxCopy) {
    return rxCopy
      ? `expected 1 in ${directory}/request-rx-copy, since pages are not flipped, found something else`
      : `expected no 1 in ${directory}/request-rx-copy, since pages are flipped, found it`;
  }
  return {
    txRingRef,
    rxRingRef,
    port,
    sg: says('feature-sg'),
    checksumOffload: !says('feature-no-csum-offload'),
  };
};
