/*
 * Grants, frames and event channels of guests that are a few pages each: what a back end sees of Xen, and nothing more. A page is there
 * because a test has put it there.
 */
import { GNTST_bad_gntref, GNTST_general_error, GNTST_okay, XEN_EINVAL } from '@port-xen/abi';
import { type CopySide, type Dom0, XenError } from '@port-xen/hypervisor';
import { BytesMemory } from '@port-xen/layout';
import type { Sim } from '@port-xen/sim';

const PAGE_SIZE = 4096;
/** MFNs of pages that are given away count down from here. */
const FIRST_GIVEN = 0x8000;

interface Page {
  readonly bytes: Uint8Array;
  readonly readonly: boolean;
}

/** What a back end may call of domain 0. */
type BackEndsXen = Pick<
  Dom0,
  | 'grantMap'
  | 'mapFrame'
  | 'grantCopy'
  | 'grantTransfer'
  | 'reassignPage'
  | 'bindInterdomain'
  | 'notify'
  | 'close'
>;

export class PlainXen implements BackEndsXen {
  /** Granted pages by "domid ref". */
  readonly #pages = new Map<string, Page>();
  /** Frames by "domid mfn". */
  readonly frames = new Map<string, Page>();
  /** Pages that guests were given by "domid ref"; undefined where one is taken and none was given yet. */
  readonly given = new Map<string, Uint8Array | undefined>();
  /** How many pages there are to be given away. */
  reassignable = 1000;
  /** Unbound ports of guests by "domid port". */
  readonly unbound = new Set<string>();
  readonly handlers = new Map<number, () => void>();
  /** Local ports by "domid port". */
  readonly #bound = new Map<string, number>();
  /** How often each local port was notified. */
  readonly #notified = new Map<number, number>();
  /** Pages that are mapped now. */
  mapped = 0;
  readonly #sim: Sim;
  #nextPort = 1;

  constructor(sim: Sim) {
    this.#sim = sim;
  }

  /** A page that a guest grants. */
  grant(domid: number, ref: number, readonly = false): Uint8Array {
    const bytes = new Uint8Array(PAGE_SIZE);
    this.#pages.set(`${domid} ${ref}`, { bytes, readonly });
    return bytes;
  }

  /** A frame of a guest's. @param readonly a page table, say */
  frame(domid: number, mfn: number, readonly = false): Uint8Array {
    const bytes = new Uint8Array(PAGE_SIZE);
    this.frames.set(`${domid} ${mfn}`, { bytes, readonly });
    return bytes;
  }

  /** A guest sends an event to whoever is bound to its port. */
  kick(domid: number, port: number): void {
    this.handlers.get(this.#bound.get(`${domid} ${port}`) ?? 0)?.();
  }

  /** How often a guest's port was sent an event. */
  rung(domid: number, port: number): number {
    return this.#notified.get(this.#bound.get(`${domid} ${port}`) ?? 0) ?? 0;
  }

  grantMap(domid: number, ref: number): ReturnType<Dom0['grantMap']> {
    const page = this.#pages.get(`${domid} ${ref}`);
    if (page === undefined) throw new XenError(XEN_EINVAL, `expected a grant, found ${ref}`);
    return { ...this.#map(page), handle: ref };
  }

  mapFrame(domid: number, mfn: number, readonly: boolean): ReturnType<Dom0['mapFrame']> {
    const page = this.frames.get(`${domid} ${mfn}`);
    if (page === undefined || (page.readonly && !readonly)) {
      throw new XenError(XEN_EINVAL, `mfn ${mfn} cannot be mapped`);
    }
    return { ...this.#map(page), markDirty: () => {} };
  }

  #map({ bytes }: Page): { memory: BytesMemory; bytes: Uint8Array; unmap: () => void } {
    this.mapped++;
    return {
      memory: new BytesMemory(bytes),
      bytes,
      unmap: () => {
        this.mapped--;
      },
    };
  }

  reassignPage(domid: number, bytes: Uint8Array): number {
    if (this.reassignable-- <= 0) return -1;
    const mfn = FIRST_GIVEN + this.reassignable;
    this.frame(domid, mfn).set(bytes);
    return mfn;
  }

  grantTransfer(ops: Parameters<Dom0['grantTransfer']>[0]): Int16Array {
    return Int16Array.from(ops, ({ bytes, domid, ref }) => {
      const key = `${domid} ${ref}`;
      if (!this.given.has(key) || this.given.get(key) !== undefined) return GNTST_general_error;
      const page = new Uint8Array(PAGE_SIZE);
      page.set(bytes);
      this.given.set(key, page);
      return GNTST_okay;
    });
  }

  grantCopy(ops: Parameters<Dom0['grantCopy']>[0]): Int16Array {
    return Int16Array.from(ops, ({ source, dest, length }) => {
      const from = this.#side(source, false);
      const to = this.#side(dest, true);
      if (from === undefined || to === undefined) return GNTST_bad_gntref;
      if (length < 0 || length > from.length || length > to.length) {
        throw new RangeError(`expected a copy within its pages, found one of ${length} bytes`);
      }
      to.set(from.subarray(0, length));
      return GNTST_okay;
    });
  }

  #side(side: CopySide, write: boolean): Uint8Array | undefined {
    if ('bytes' in side) return side.bytes.subarray(side.offset);
    const page = this.#pages.get(`${side.domid} ${side.ref}`);
    return page === undefined || (write && page.readonly)
      ? undefined
      : page.bytes.subarray(side.offset);
  }

  /** As in Xen, a port is pending when it has been bound: what was sent before is not missed. */
  bindInterdomain(domid: number, remotePort: number, handler: () => void): number {
    if (!this.unbound.delete(`${domid} ${remotePort}`)) {
      throw new XenError(XEN_EINVAL, `expected an unbound port, found ${remotePort}`);
    }
    const port = this.#nextPort++;
    this.handlers.set(port, handler);
    this.#bound.set(`${domid} ${remotePort}`, port);
    this.#sim.after(0, () => this.handlers.get(port)?.());
    return port;
  }

  notify(port: number): void {
    this.#notified.set(port, (this.#notified.get(port) ?? 0) + 1);
  }

  close(port: number): void {
    this.handlers.delete(port);
  }
}
