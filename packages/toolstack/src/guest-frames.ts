import type { Hypervisor } from '@port-xen/hypervisor';
import type { Memory } from '@port-xen/layout';

/**
 * Domain 0's way to a domain's frames, one at a time: mapped, used, unmapped.
 *
 * While a frame is mapped it cannot become a page table, so nothing stays mapped for longer than `use` takes.
 * @throws XenError if the frame is not the domain's
 */
export class GuestFrames {
  readonly #hv: Hypervisor;
  readonly domid: number;

  constructor(hv: Hypervisor, domid: number) {
    this.#hv = hv;
    this.domid = domid;
  }

  /** @param use is given the frame's bytes and the same as a memory from address 0 on */
  with<T>(mfn: number, use: (bytes: Uint8Array, memory: Memory) => T): T {
    const mapping = this.#hv.dom0.mapForeign(this.domid, mfn);
    try {
      return use(mapping.bytes, mapping.memory);
    } finally {
      mapping.unmap();
    }
  }

  /** The page's contents, copied. */
  copy(mfn: number): Uint8Array {
    return this.with(mfn, (bytes) => bytes.slice());
  }

  /** Sets the page; what `bytes` does not reach becomes zero. */
  write(mfn: number, bytes: Uint8Array): void {
    this.with(mfn, (frame) => {
      frame.set(bytes);
      frame.fill(0, bytes.length);
    });
  }
}
