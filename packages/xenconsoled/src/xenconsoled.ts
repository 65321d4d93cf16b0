/*
 * The console daemon of one host. It learns of domains from `@introduceDomain` and of their ends from
 * `@releaseDomain`; for each it watches /local/domain/D/console, where the toolstack writes
 *
 *     ring-ref   the MFN of the console page       port   the guest's event channel
 *
 * after the introduction, and again when its ports were reset. When both are there the page is mapped, the port
 * bound, and whatever already waits in the ring taken up.
 */
import { type Domctl, type Hypervisor, XenError } from '@port-xen/hypervisor';
import type { Sim } from '@port-xen/sim';
import type { StoreClient, Xenstored } from '@port-xen/xenstore';
import { type ConsoleXen, GuestConsole } from './guest-console.ts';
import { InputQueue } from './input-queue.ts';

const DOMAINS_TOKEN = 'domains';

/** What the daemon needs of a host. */
interface ConsoleHost extends Pick<Hypervisor, 'onDomainShutdown'> {
  readonly sim: Sim;
  readonly dom0: ConsoleXen;
  readonly domctl: Pick<Domctl, 'listDomains'>;
}

/** What a console daemon is made of. */
export interface XenconsoledParts {
  /** The host's hypervisor. */
  readonly hv: ConsoleHost;
  /** The host's own xenstore: the daemon opens a connection of domain 0's. */
  readonly xenstored: Pick<Xenstored, 'connect'>;
  /** Each byte that a guest prints, once and in order. */
  readonly output: (domid: number, bytes: Uint8Array) => void;
  /** So many of the bytes that were typed for a guest are in its ring now, in the order in which they were. */
  readonly onTaken?: (domid: number, count: number) => void;
}

/** A domain whose console directory is watched. */
interface Watched {
  readonly input: InputQueue;
  console: GuestConsole | undefined;
  /** The ring-ref and port last tried: those that were refused or given up are not tried again. */
  tried: string;
}

/** Moves the bytes of every guest's console. */
export class Xenconsoled {
  readonly #parts: XenconsoledParts;
  readonly #store: StoreClient;
  readonly #domains = new Map<number, Watched>();

  constructor(parts: XenconsoledParts) {
    this.#parts = parts;
    this.#store = parts.xenstored.connect(0, (_path, token) => {
      if (token === DOMAINS_TOKEN) this.#lookForDomains();
      else this.#connect(Number(token));
    });
    this.#store.watch('@introduceDomain', DOMAINS_TOKEN);
    this.#store.watch('@releaseDomain', DOMAINS_TOKEN);
    parts.hv.onDomainShutdown((domid) => this.#domains.get(domid)?.console?.takeOutput());
  }

  /**
   * Types `bytes` at the domain's console. They wait until the guest's ring has room.
   * @returns how many were taken: 0 for a domain that is not known, less than all when a megabyte waits already
   */
  input(domid: number, bytes: Uint8Array): number {
    const watched = this.#domains.get(domid);
    if (watched === undefined) return 0;
    const taken = watched.input.add(bytes);
    watched.console?.offerInput();
    return taken;
  }

  /** Takes on domains that are new and lets go of those that are no more. */
  #lookForDomains(): void {
    const alive = new Set<number>();
    for (const { domid, dying, interface: xen } of this.#parts.hv.domctl.listDomains()) {
      // Those of Xen 2 print to their controller, and their end is none that xenstored tells of.
      if (domid !== 0 && !dying && xen !== 'xen-2.0') alive.add(domid);
    }
    for (const [domid, watched] of this.#domains) {
      if (alive.has(domid)) continue;
      this.#domains.delete(domid);
      this.#store.unwatch(directoryOf(domid), String(domid));
      watched.console?.stop();
    }
    for (const domid of alive) if (!this.#domains.has(domid)) this.#watch(domid);
  }

  #watch(domid: number): void {
    this.#domains.set(domid, { input: new InputQueue(), console: undefined, tried: '' });
    this.#store.watch(directoryOf(domid), String(domid));
  }

  /** Maps what the console directory names, unless it is what was mapped, or tried, last. */
  #connect(domid: number): void {
    const watched = this.#domains.get(domid);
    if (watched === undefined) return;
    const mfn = numberOf(this.#store.tryRead(`${directoryOf(domid)}/ring-ref`));
    const port = numberOf(this.#store.tryRead(`${directoryOf(domid)}/port`));
    if (mfn === undefined || port === undefined) return;
    const pair = `${mfn} ${port}`;
    // Ports that were reset and made anew have the numbers that they had.
    if (watched.tried === pair && !watched.console?.wasReset) return;
    watched.tried = pair;
    watched.console?.stop();
    watched.console = undefined;
    const { hv, output, onTaken } = this.#parts;
    try {
      watched.console = new GuestConsole(
        {
          sim: hv.sim,
          dom0: hv.dom0,
          domid,
          input: watched.input,
          output: (bytes) => output(domid, bytes),
          onTaken: (count) => onTaken?.(domid, count),
          isShutDown: () => !hv.domctl.listDomains().some((d) => d.domid === domid && !d.shutdown),
        },
        mfn,
        port,
      );
    } catch (error) {
      if (!(error instanceof XenError)) throw error;
      hv.sim.tell('xenconsoled', `domain ${domid}: no console: ${error.message}`);
      return;
    }
    hv.sim.tell('xenconsoled', `domain ${domid}: console page ${mfn}, port ${port}`);
    watched.console.takeUp();
  }
}

const directoryOf = (domid: number): string => `/local/domain/${domid}/console`;

/** A node's decimal number; undefined when there is none. */
const numberOf = (node: string | undefined): number | undefined =>
  node !== undefined && /^[0-9]{1,10}$/.test(node) ? Number(node) : undefined;
