/*
 * The handles that a domain has on one host, written down while it is suspended: whatever of them is seen after the restore is
 * stale.
 *
 *     from           what                                       should be dropped by
 *     ports          Xen's, named by the nodes they stand in    whoever resumes what the port was for
 *     references     the grant table, named likewise            its driver's resume
 *     frames         the M2P                                    the toolstack (tables, P2M, start_info), or whoever kept a copy
 *     domid          every path that names the domain           xenbus_resume, which reads `backend` anew
 */
import { EVTCHNSTAT_closed, GTF_type_mask, grant_entry_v1 } from '@port-xen/abi';
import type { TestHost } from './test-host.ts';

/** What a handle was, and which step should have dropped it. */
export interface Provenance {
  readonly was: string;
  readonly dropper: string;
}

/** A domain as it was on a host. */
export interface FormerLife {
  readonly slot: number;
  readonly domid: number;
  readonly firstMfn: number;
  readonly frames: number;
  readonly ports: ReadonlyMap<number, Provenance>;
  readonly references: ReadonlyMap<number, Provenance>;
  frame(mfn: number): Provenance;
}

const ENTRIES = 512;

/** Nodes below the domain's directory that hold a handle, and who resumes what it is for. */
const nodesOf = ({ store }: TestHost, domid: number): [path: string, value: number][] => {
  const home = `/local/domain/${domid}`;
  const children = (path: string): string[] =>
    store.tryRead(path) === undefined ? [] : store.directory(path);
  const directories = [`${home}/store`, `${home}/console`];
  for (const kind of children(`${home}/device`)) {
    for (const id of children(`${home}/device/${kind}`)) {
      directories.push(`${home}/device/${kind}/${id}`);
    }
  }
  return directories.flatMap((directory) =>
    ['port', 'event-channel', 'ring-ref', 'tx-ring-ref', 'rx-ring-ref'].flatMap(
      (name): [string, number][] => {
        const value = store.tryRead(`${directory}/${name}`);
        return value === undefined ? [] : [[`${directory}/${name}`, Number(value)]];
      },
    ),
  );
};

const resumerOf = (path: string): string => {
  if (path.includes('/store/')) return 'xenbus_resume takes the port that start_info names';
  if (path.includes('/console/')) return 'xencons_resume takes the port that start_info names';
  return path.includes('/vif/')
    ? 'xennet_xenbus_resume makes rings and channel anew'
    : 'xbd_xenbus_resume makes ring and channel anew';
};

/** Writes a suspended domain's handles down. */
export const formerLife = (host: TestHost, domid: number): FormerLife => {
  const { hv } = host;
  const domain = hv.domains.get(domid);
  if (domain === undefined) throw new Error(`expected a domain ${domid}, found none`);
  const where = `of domain ${domid} on the host of slot ${hv.slot}`;
  const nodes = nodesOf(host, domid);
  const named = (suffix: RegExp, value: number): string | undefined =>
    nodes.find(([path, found]) => found === value && suffix.test(path))?.[0];

  const ports = new Map<number, Provenance>();
  for (let port = 1; ; port++) {
    const status = domain.evtchn.status(port);
    if (status === undefined) break;
    if (status.status === EVTCHNSTAT_closed) continue;
    const path = named(/\/(?:port|event-channel)$/, port);
    ports.set(port, {
      was: `${path ?? 'a port'} ${where}`,
      dropper: path === undefined ? 'evtchn.reset forgets every port' : resumerOf(path),
    });
  }

  const references = new Map<number, Provenance>();
  for (let ref = 0; domain.grants.addressOf(ref) >= 0; ref++) {
    const { flags, frame } = grant_entry_v1.at(hv.memory, domain.grants.addressOf(ref));
    if ((flags & GTF_type_mask) === 0) continue;
    const path = named(/ring-ref$/, ref);
    references.set(ref, {
      was: `${path ?? `the grant of pfn ${hv.m2p.get(frame)}`} ${where}`,
      dropper:
        path === undefined ? 'the driver grants again what it issues again' : resumerOf(path),
    });
  }

  const grantFrames = new Set<number>();
  for (let ref = 0; domain.grants.addressOf(ref) >= 0; ref += ENTRIES) {
    grantFrames.add(Math.floor(domain.grants.addressOf(ref) / 4096));
  }
  const pfns = new Map<number, number>();
  for (let i = 0; i < hv.frames; i++) {
    if (hv.host.table.owner[i] === domid) pfns.set(hv.firstMfn + i, hv.m2p.get(hv.firstMfn + i));
  }
  const { sharedInfoMfn } = domain;
  return {
    slot: hv.slot,
    domid,
    firstMfn: hv.firstMfn,
    frames: hv.frames,
    ports,
    references,
    frame: (mfn) => {
      if (mfn === sharedInfoMfn) {
        return {
          was: `shared_info ${where}`,
          dropper: 'xen_prepare_resume maps what start_info.shared_info names',
        };
      }
      if (grantFrames.has(mfn)) {
        return { was: `a grant table's frame ${where}`, dropper: 'xengnt_resume asks for it anew' };
      }
      const pfn = pfns.get(mfn);
      return {
        was: pfn === undefined ? `no frame ${where}` : `pfn ${pfn} ${where}`,
        dropper: 'the toolstack writes the P2M and all tables anew; nobody may keep a copy',
      };
    },
  };
};
