import type { StoreClient } from '@port-xen/xenstore';

/**
 * What a back end can do, as io/netif.h names it. Hosts differ in it, and a domain that comes to another host has to look again.
 *
 * Not offered by any: segmentation offload, checksums of IPv6, multicast filters, a control ring, several queues, split event
 * channels.
 */
export interface Features {
  /** feature-sg: a frame may lie in several slots. */
  readonly sg: boolean;
  /** Not feature-no-csum-offload: TCP and UDP checksums over IPv4 may be left blank. */
  readonly checksumOffload: boolean;
  /**
   * feature-rx-copy: frames are copied into pages that the front end grants. A back end without it flips pages, as all did in
   * Xen 3.0 (feature-rx-flip): each page of a frame is a frame of memory that the guest is given, for one that it gave away.
   */
  readonly rxCopy: boolean;
}

export const ALL_FEATURES: Features = { sg: true, checksumOffload: true, rxCopy: true };

/** Publishes them: a front end reads these once it sees InitWait. */
export const publish = (store: StoreClient, directory: string, features: Features): void => {
  const nodes: Record<string, boolean> = {
    'feature-sg': features.sg,
    'feature-no-csum-offload': !features.checksumOffload,
    'feature-rx-copy': features.rxCopy,
    'feature-rx-flip': !features.rxCopy,
  };
  for (const [name, value] of Object.entries(nodes)) {
    store.write(`${directory}/${name}`, value ? '1' : '0');
  }
};
