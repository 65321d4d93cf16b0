/*
 * Log-dirty mode: which of a domain's pages were changed since they were last asked about (XEN_DOMCTL_SHADOW_OP_*).
 *
 * One bit per pfn, bit pfn % 8 of byte pfn / 8. A page is marked when a vCPU first stores to it, when another domain stores
 * through a grant, when Xen changes it for the guest, and when it becomes or ceases to be a page table. A vCPU's later stores cost
 * nothing: its TLB holds a write translation only for pages that are marked, and cleaning empties the write side of every TLB.
 */
import type { MemoryDomain } from './memory-domain.ts';

/** A pfn beyond is not logged: 512 GiB, what the P2M tree can describe. */
const MAX_PFN = 2 ** 27;

export class LogDirty {
  /** Pages marked. */
  count = 0;
  #bits = new Uint8Array(4096);

  /** Marks a page; a frame without a valid pfn (-1) has none to mark. */
  mark(pfn: number): void {
    if (pfn < 0 || pfn >= MAX_PFN) return;
    const at = pfn >>> 3;
    if (at >= this.#bits.length) this.#grow(at);
    const bits = this.#bits[at] as number;
    const bit = 1 << (pfn & 7);
    if ((bits & bit) !== 0) return;
    this.#bits[at] = bits | bit;
    this.count++;
  }

  /** Copies the bitmap's first `into.length * 8` bits. */
  copy(into: Uint8Array): void {
    into.fill(0);
    into.set(this.#bits.subarray(0, into.length));
  }

  clean(): void {
    this.#bits.fill(0);
    this.count = 0;
  }

  #grow(at: number): void {
    const larger = new Uint8Array(2 ** Math.ceil(Math.log2(at + 1)));
    larger.set(this.#bits);
    this.#bits = larger;
  }
}

/** Every vCPU's next store to each page is seen. Of all domains: they may write this one's pages through grants. */
const watchStores = (domain: MemoryDomain): void =>
  domain.host.eachVcpu((vcpu) => vcpu.mmu.flushWrites());

/** XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY. @returns false when it is on already (-EINVAL) */
export const enableLogDirty = (domain: MemoryDomain): boolean => {
  if (domain.logDirty !== null) return false;
  domain.logDirty = new LogDirty();
  domain.host.logDirtyDomains++;
  watchStores(domain);
  return true;
};

/** XEN_DOMCTL_SHADOW_OP_OFF. */
export const disableLogDirty = (domain: MemoryDomain): void => {
  if (domain.logDirty === null) return;
  domain.logDirty = null;
  domain.host.logDirtyDomains--;
};

/** XEN_DOMCTL_SHADOW_OP_CLEAN: copies the bitmap, if asked to, and starts anew. @returns pages that were marked, -1 when off */
export const cleanLogDirty = (domain: MemoryDomain, into?: Uint8Array): number => {
  const { logDirty } = domain;
  if (logDirty === null) return -1;
  const { count } = logDirty;
  if (into !== undefined) logDirty.copy(into);
  logDirty.clean();
  watchStores(domain);
  return count;
};

/** XEN_DOMCTL_SHADOW_OP_PEEK: copies the bitmap and changes nothing. @returns pages marked, -1 when off */
export const peekLogDirty = (domain: MemoryDomain, into?: Uint8Array): number => {
  const { logDirty } = domain;
  if (logDirty === null) return -1;
  if (into !== undefined) logDirty.copy(into);
  return logDirty.count;
};
