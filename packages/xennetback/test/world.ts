import { Bridge, type Cable, type Frame, type Port } from '@port-xen/bridge';
import { XenError } from '@port-xen/hypervisor';
import { BytesMemory } from '@port-xen/layout';
import { Sim } from '@port-xen/sim';
import { Xenstored } from '@port-xen/xenstore';
import { type Features, type NetbackXen, Xennetback } from '../src/index.ts';

const EINVAL = 22;
const GNTST_bad_gntref = -3;
const GNTST_general_error = -1;

/** Grants and event channels of guests that are a few pages each: what a back end sees of Xen, and nothing more. */
export class PlainXen implements NetbackXen {
  /** Granted pages by "domid ref". */
  readonly pages = new Map<string, { bytes: Uint8Array; readonly: boolean }>();
  /** Pages that guests were given by "domid ref"; undefined where one is taken and none was given yet. */
  readonly given = new Map<string, Uint8Array | undefined>();
  /** Frames of guests by "domid mfn". */
  readonly frames = new Map<string, { bytes: Uint8Array; readonly: boolean }>();
  /** How many pages there are to be given away. */
  reassignable = 1000;
  /** Unbound ports of guests by "domid port". */
  readonly unbound = new Set<string>();
  readonly handlers = new Map<number, () => void>();
  /** Local ports by "domid port". */
  readonly bound = new Map<string, number>();
  /** How often each local port was notified. */
  readonly notified = new Map<number, number>();
  mapped = 0;
  readonly #sim: Sim;
  #nextPort = 1;

  constructor(sim: Sim) {
    this.#sim = sim;
  }

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

  reassignPage(domid: number, bytes: Uint8Array): number {
    if (this.reassignable-- <= 0) return -1;
    const page = new Uint8Array(4096);
    page.set(bytes);
    const mfn = 0x8000 + this.reassignable;
    this.frames.set(`${domid} ${mfn}`, { bytes: page, readonly: false });
    return mfn;
  }

  grantCopy(ops: Parameters<NetbackXen['grantCopy']>[0]): Int16Array {
    return Int16Array.from(ops, ({ source, dest, length }) => {
      const from = this.#side(source, false);
      const to = this.#side(dest, true);
      if (from === undefined || to === undefined) return GNTST_bad_gntref;
      if (length < 0 || length > from.length || length > to.length) throw new Error('bad copy');
      to.set(from.subarray(0, length));
      return 0;
    });
  }

  grantTransfer(ops: Parameters<NetbackXen['grantTransfer']>[0]): Int16Array {
    return Int16Array.from(ops, ({ bytes, domid, ref }) => {
      const key = `${domid} ${ref}`;
      if (!this.given.has(key) || this.given.get(key) !== undefined) return GNTST_general_error;
      const page = new Uint8Array(4096);
      page.set(bytes);
      this.given.set(key, page);
      return 0;
    });
  }

  #side(side: Parameters<NetbackXen['grantCopy']>[0][number]['source'], write: boolean) {
    if ('bytes' in side) return side.bytes.subarray(side.offset);
    const page = this.pages.get(`${side.domid} ${side.ref}`);
    return page === undefined || (write && page.readonly)
      ? undefined
      : page.bytes.subarray(side.offset);
  }

  /** As in Xen, a port is pending when it has been bound: what was sent before is not missed. */
  bindInterdomain(domid: number, remotePort: number, handler: () => void): number {
    if (!this.unbound.delete(`${domid} ${remotePort}`)) {
      throw new XenError(EINVAL, `expected an unbound port, found ${remotePort}`);
    }
    const port = this.#nextPort++;
    this.handlers.set(port, handler);
    this.bound.set(`${domid} ${remotePort}`, port);
    this.#sim.after(0, () => this.handlers.get(port)?.());
    return port;
  }

  notify(port: number): void {
    this.notified.set(port, (this.notified.get(port) ?? 0) + 1);
  }

  close(port: number): void {
    this.handlers.delete(port);
  }
}

/** A host of plain parts, a back end, a bridge, and somebody on it. */
export const world = (features: Partial<Features> = {}, cable: Cable = {}) => {
  const sim = new Sim(1);
  const xen = new PlainXen(sim);
  const xenstored = new Xenstored({ sim });
  const store = xenstored.connect(0);
  const bridge = new Bridge({ sim, name: 'xenbr0' });
  const heard: Frame[] = [];
  const peer: Port = bridge.attach('peer', { receive: (frame) => heard.push(frame) });
  const story: string[] = [];
  sim.trace.listenToStory((_time, _subsystem, text) => story.push(text));
  const back = new Xennetback({
    sim,
    hv: { dom0: xen },
    xenstored,
    bridge: (name) => (name === bridge.name ? bridge : undefined),
    features,
    cable,
  });
  const settle = (ns = 1_000_000) => sim.runFor(ns);
  const backPath = (domid: number) => `/local/domain/0/backend/vif/${domid}/0`;
  const frontPath = (domid: number) => `/local/domain/${domid}/device/vif/0`;
  const addDevice = (domid: number, more: Record<string, string> = {}) => {
    store.transaction((tx) => {
      const front = { backend: backPath(domid), 'backend-id': '0', state: '1' };
      const backNodes = {
        frontend: frontPath(domid),
        'frontend-id': String(domid),
        online: '1',
        state: '1',
        bridge: 'xenbr0',
        mac: `00:16:3e:00:00:0${domid}`,
        ...more,
      };
      for (const [k, v] of Object.entries(front)) store.write(`${frontPath(domid)}/${k}`, v, tx);
      for (const [k, v] of Object.entries(backNodes)) store.write(`${backPath(domid)}/${k}`, v, tx);
    });
    settle();
  };
  const backState = (domid: number) => store.tryRead(`${backPath(domid)}/state`);
  return {
    sim,
    xen,
    xenstored,
    store,
    bridge,
    peer,
    heard,
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
