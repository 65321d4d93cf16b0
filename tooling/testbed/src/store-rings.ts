import { type Dom0, XenError } from '@port-xen/hypervisor';
import type { MappedRing } from '@port-xen/xenstore';

interface Held {
  readonly port: number;
  unmap(): void;
}

/**
 * The store pages and ports of a host's domains, held for the xenstore daemon: what XS_INTRODUCE maps and binds and what
 * a release lets go.
 */
export class StoreRings {
  readonly #dom0: Dom0;
  readonly #kick: (domid: number) => void;
  readonly #held = new Map<number, Held>();

  /** @param kick called when a domain's event arrives */
  constructor(dom0: Dom0, kick: (domid: number) => void) {
    this.#dom0 = dom0;
    this.#kick = kick;
  }

  /** Maps and binds; what was held for the domain before is let go first. */
  introduce(domid: number, mfn: number, remotePort: number): MappedRing | 'EINVAL' {
    this.release(domid);
    const dom0 = this.#dom0;
    try {
      const mapping = dom0.mapForeign(domid, mfn);
      try {
        const port = dom0.bindInterdomain(domid, remotePort, () => this.#kick(domid));
        this.#held.set(domid, { port, unmap: () => mapping.unmap() });
        return { ring: mapping.memory, notify: () => dom0.notify(port) };
      } catch (error) {
        mapping.unmap();
        throw error;
      }
    } catch (error) {
      if (error instanceof XenError) return 'EINVAL';
      throw error;
    }
  }

  release(domid: number): void {
    const held = this.#held.get(domid);
    if (held === undefined) return;
    this.#held.delete(domid);
    this.#dom0.close(held.port);
    held.unmap();
  }
}
