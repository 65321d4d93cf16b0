import { type Dom0, XenError } from '@port-xen/hypervisor';
import { BytesMemory } from '@port-xen/layout';
import { Sim } from '@port-xen/sim';
import type { BackendXen } from '@port-xen/xenbus-backend';
import { Xenstored } from '@port-xen/xenstore';
import { type BlockStore, Xbdback } from '../src/index.ts';

const EINVAL = 22;

/** Grants and event channels of guests that are a few pages each: what a back end sees of Xen, and nothing more. */
export class PlainXen implements BackendXen, Pick<Dom0, 'mapFrame'> {
  /** Granted pages by "domid ref". */
  readonly pages = new Map<string, { bytes: Uint8Array; readonly: boolean }>();
  /** Frames by "domid mfn". */
  readonly frames = new Map<string, { bytes: Uint8Array; readonly: boolean }>();
  /** Unbound ports of guests by "domid port". */
  readonly unbound = new Set<string>();
  readonly handlers = new Map<number, () => void>();
  /** Local ports by "domid port". */
  readonly bound = new Map<string, number>();
  readonly notified: number[] = [];
  mapped = 0;
  #nextPort = 1;

  grantMap(domid: number, ref: number) {
    const page = this.pages.get(`${domid} ${ref}`);
    if (page === undefined) throw new XenError(EINVAL, `expected a grant, found ${ref}`);
    this.mapped++;
    return {
      memory: new BytesMemory(page.bytes),
      bytes: page.bytes,
      handle: ref,
      unmap: () => {
        this.mapped--;
      },
    };
  }

  mapFrame(domid: number, mfn: number, readonly: boolean) {
    const page = this.frames.get(`${domid} ${mfn}`);
    if (page === undefined || (page.readonly && !readonly)) {
      throw new XenError(EINVAL, `mfn ${mfn} cannot be mapped`);
    }
    this.mapped++;
    return {
      memory: new BytesMemory(page.bytes),
      bytes: page.bytes,
      markDirty: () => {},
      unmap: () => {
        this.mapped--;
      },
    };
  }

  grantCopy(ops: Parameters<BackendXen['grantCopy']>[0]): Int16Array {
    return Int16Array.from(ops, ({ source, dest, length }) => {
      const from = this.#side(source, false);
      const to = this.#side(dest, true);
      if (from === undefined || to === undefined) return -3;
      to.set(from.subarray(0, length));
      return 0;
    });
  }

  #side(side: Parameters<BackendXen['grantCopy']>[0][number]['source'], write: boolean) {
    if ('bytes' in side) return side.bytes.subarray(side.offset);
    const page = this.pages.get(`${side.domid} ${side.ref}`);
    return page === undefined || (write && page.readonly)
      ? undefined
      : page.bytes.subarray(side.offset);
  }

  bindInterdomain(domid: number, remotePort: number, handler: () => void): number {
    if (!this.unbound.delete(`${domid} ${remotePort}`)) {
      throw new XenError(EINVAL, `expected an unbound port, found ${remotePort}`);
    }
    const port = this.#nextPort++;
    this.handlers.set(port, handler);
    this.bound.set(`${domid} ${remotePort}`, port);
    return port;
  }

  notify(port: number): void {
    this.notified.push(port);
  }

  close(port: number): void {
    this.handlers.delete(port);
  }
}

/** A disk in memory that can be made to fail, and that remembers what was flushed. */
export class PlainDisk implements BlockStore {
  readonly bytes: Uint8Array;
  readonly log: string[] = [];
  broken = false;
  closed = 0;

  constructor(sectors: number) {
    this.bytes = new Uint8Array(sectors * 512);
  }
  get sectors(): number {
    return this.bytes.length / 512;
  }
  read(sector: number, into: Uint8Array): void {
    if (this.broken) throw new Error('expected a disk that reads, found one that does not');
    this.log.push(`read ${sector} ${into.length / 512}`);
    into.set(this.bytes.subarray(sector * 512, sector * 512 + into.length));
  }
  write(sector: number, from: Uint8Array): void {
    if (this.broken) throw new Error('expected a disk that writes, found one that does not');
    if (sector * 512 + from.length > this.bytes.length) throw new RangeError('past the end');
    this.log.push(`write ${sector} ${from.length / 512}`);
    this.bytes.set(from, sector * 512);
  }
  flush(): void {
    this.log.push('flush');
  }
  close(): void {
    this.closed++;
  }
}

/** A host of plain parts and a back end. */
export const world = (seed = 1) => {
  const sim = new Sim(seed);
  const xen = new PlainXen();
  const xenstored = new Xenstored({ sim });
  const store = xenstored.connect(0);
  const disks = new Map<string, PlainDisk>();
  const story: string[] = [];
  sim.trace.listenToStory((_time, _subsystem, text) => story.push(text));
  const back = new Xbdback({
    sim,
    hv: { slot: 0, dom0: xen },
    xenstored,
    open: (params) => {
      const disk = disks.get(params);
      if (disk === undefined) throw new Error(`expected a disk, found no ${params}`);
      return disk;
    },
  });
  const settle = (ns = 1_000_000) => sim.runFor(ns);
  const backPath = (domid: number, devid = 51712) =>
    `/local/domain/0/backend/vbd/${domid}/${devid}`;
  const frontPath = (domid: number, devid = 51712) => `/local/domain/${domid}/device/vbd/${devid}`;
  const addDevice = (domid: number, params: string, mode = 'w', devid = 51712) => {
    store.transaction((tx) => {
      const front = { backend: backPath(domid, devid), 'backend-id': '0', state: '1' };
      const backNodes = {
        frontend: frontPath(domid, devid),
        'frontend-id': String(domid),
        online: '1',
        state: '1',
        params,
        mode,
      };
      for (const [k, v] of Object.entries(front))
        store.write(`${frontPath(domid, devid)}/${k}`, v, tx);
      for (const [k, v] of Object.entries(backNodes))
        store.write(`${backPath(domid, devid)}/${k}`, v, tx);
    });
  };
  const backState = (domid: number, devid = 51712) =>
    store.tryRead(`${backPath(domid, devid)}/state`);
  return {
    sim,
    xen,
    xenstored,
    store,
    disks,
    story,
    back,
    settle,
    addDevice,
    backPath,
    frontPath,
    backState,
  };
};

export type World = ReturnType<typeof world>;
