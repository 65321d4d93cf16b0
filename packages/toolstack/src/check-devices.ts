import type { DomainConfig } from './domain-config.ts';
import { ToolstackError } from './toolstack-error.ts';
import { vdevNumber } from './vdev.ts';

/** @throws ToolstackError for two devices that would have one directory of xenstore's (libxl: "device already exists in xenstore") */
export const checkDevices = ({ disks, nics }: Pick<DomainConfig, 'disks' | 'nics'>): void => {
  const seen = new Set<number>();
  for (const { vdev } of disks) {
    if (seen.has(vdevNumber(vdev))) {
      throw new ToolstackError(`expected one disk for each vdev, found two for ${vdev}`);
    }
    seen.add(vdevNumber(vdev));
  }
  const devids = new Set(nics.map(({ devid }) => devid));
  if (devids.size < nics.length) {
    throw new ToolstackError('expected one vif for each devid, found two for one');
  }
};
