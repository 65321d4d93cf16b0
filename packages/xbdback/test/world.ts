import { Sim } from '@port-xen/sim';
import { Xenstored } from '@port-xen/xenstore';
import { PlainDevice, PlainXen } from '@tooling/backend-testbed';
import { type BlockStore, Xbdback } from '../src/index.ts';

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
  const xen = new PlainXen(sim);
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
  const device = (domid: number, devid = 51712) => new PlainDevice(store, 'vbd', domid, devid);
  const backPath = (domid: number, devid?: number) => device(domid, devid).back;
  const frontPath = (domid: number, devid?: number) => device(domid, devid).front;
  const addDevice = (domid: number, params: string, mode = 'w', devid?: number) =>
    device(domid, devid).add({ params, mode });
  const backState = (domid: number, devid?: number) =>
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
