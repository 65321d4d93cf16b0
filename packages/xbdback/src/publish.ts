import { VDISK_CDROM, VDISK_READONLY, VDISK_REMOVABLE } from '@port-xen/abi';
import type { StoreClient } from '@port-xen/xenstore';

const SECTOR_SIZE = 512;

/**
 * Publishes what the disk is and what the back end can do (io/blkif.h): a front end reads these once it sees Connected.
 *
 * Not published, so not to be used: discard, indirect segments, persistent grants, rings of several pages.
 */
export const publish = (
  store: StoreClient,
  directory: string,
  sectors: number,
  readonly: boolean,
): void => {
  const cdrom = store.tryRead(`${directory}/device-type`) === 'cdrom';
  const removable = store.tryRead(`${directory}/removable`) === '1';
  const info =
    (cdrom ? VDISK_CDROM : 0) | (removable ? VDISK_REMOVABLE : 0) | (readonly ? VDISK_READONLY : 0);
  const nodes: Record<string, number> = {
    'feature-barrier': 1,
    'feature-flush-cache': 1,
    sectors,
    'sector-size': SECTOR_SIZE,
    'physical-sector-size': SECTOR_SIZE,
    info,
  };
  for (const [name, value] of Object.entries(nodes)) {
    store.write(`${directory}/${name}`, String(value));
  }
};
