import type { TestHost } from './test-host.ts';

/**
 * Everything on a host that is counted. Two of these are compared with `toEqual`: after any number of
 * cycles of boot, save, restore and destroy on a host it must hold what it held before.
 */
export interface Conservation {
  readonly frames: { readonly owned: number; readonly free: number; readonly total: number };
  /** Domains that Xen knows, the dying ones included. */
  readonly domains: number;
  /** In use, all domains together, domain 0's included. */
  readonly ports: number;
  /** In use by their grantees, and mapped by domain 0. */
  readonly grants: number;
  readonly maptrack: number;
  readonly xenstore: {
    readonly connections: number;
    readonly watches: number;
    readonly transactions: number;
    readonly nodes: number;
  };
  /** Domains that the domain controller serves. */
  readonly controlled: number;
  /** Devices that the block back end has. */
  readonly devices: number;
  /** Disks that are open. */
  readonly openDisks: number;
  /** Interfaces that the network back end has. */
  readonly interfaces: number;
  readonly bridgePorts: number;
}

/** Counts. */
export const countHost = (host: TestHost): Conservation => {
  const { hv, xenstored, controller, xbdback, xennetback, xenbr0 } = host;
  const counts = hv.counts();
  let { ports, grants } = counts.dom0;
  let maptrack = 0;
  for (const domain of counts.domains) {
    ports += domain.ports;
    grants += domain.grants;
    maptrack += domain.maptrack;
  }
  const { connections, watches, transactions } = xenstored.counters();
  return {
    frames: { owned: counts.owned, free: counts.free, total: counts.total },
    domains: counts.domains.length,
    ports,
    grants,
    maptrack,
    xenstore: { connections, watches, transactions, nodes: xenstored.dump().length },
    controlled: controller.domains,
    devices: xbdback.devices,
    openDisks: host.openDisks,
    interfaces: xennetback.devices,
    bridgePorts: xenbr0.ports,
  };
};

/** What is wrong with a host's books, as sentences; none when it is sound. */
export const auditHost = (host: TestHost): string[] => {
  const wrong = host.hv.accounting();
  const { owned, free, total } = host.hv.counts();
  if (owned + free + host.xenFrames !== total) {
    wrong.push(
      `expected domains' ${owned} frames, ${free} free ones and Xen's ${host.xenFrames} to be ${total}, found ${owned + free + host.xenFrames}`,
    );
  }
  const { transactions } = host.xenstored.counters();
  if (transactions > 0) wrong.push(`expected no transaction under way, found ${transactions}`);
  return [...wrong, ...host.storeAudit.findings()];
};
