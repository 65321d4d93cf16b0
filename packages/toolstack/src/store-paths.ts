/** Where a domain's nodes are (docs/misc/xenstore-paths). */
export const domainPath = (domid: number): string => `/local/domain/${domid}`;

export const vmPath = (uuid: string): string => `/vm/${uuid}`;

/** The toolstack's own notes on a domain. */
export const libxlPath = (domid: number): string => `/libxl/${domid}`;

/** The kinds of devices that have a back end in domain 0. */
export type DeviceKind = 'vbd' | 'vif' | 'console';

export const backendPath = (kind: DeviceKind, domid: number, devid: number): string =>
  `/local/domain/0/backend/${kind}/${domid}/${devid}`;

/** The primary console's front end is not under `device`: it was there first. */
export const frontendPath = (kind: DeviceKind, domid: number, devid: number): string =>
  kind === 'console'
    ? `${domainPath(domid)}/console`
    : `${domainPath(domid)}/device/${kind}/${devid}`;
