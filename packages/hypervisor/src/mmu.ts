/*
 * The memory management unit of one vCPU: virtual addresses of the current mode to words of machine memory.
 *
 * The kernel and the user mode have a root and a TLB each; the fields `tag`, `wtag` and `frm` are the current mode's TLB, so
 * that a load which hits is one compare and one index. Everything else goes through `#translate`, which walks the tables and
 * fills the TLB, or throws. A store to a page that is mapped read-only and is an L1 table of the guest becomes a checked update of
 * that entry when the guest asked for it (VMASST_TYPE_writable_pagetables).
 */
import { isCanonicalAddress, type VirtualMemory } from '@port-xen/vcpu';
import { PAGE_SIZE, PAGE_WORDS } from './machine-memory.ts';
import type { MemoryDomain } from './memory-domain.ts';
import { NonCanonical } from './non-canonical.ts';
import { FETCH, PageWalk, pageFault, READ, WRITE } from './page-walk.ts';
import { storeToReadOnly } from './ro-page-fault.ts';
import { TLB_MASK, Tlb } from './tlb.ts';

const OFFSET = PAGE_SIZE - 1;
const WORD = 0xffc;
/** Up to so many bytes a loop is faster than views on either side. */
const SMALL = 128;

export class Mmu implements VirtualMemory {
  /** MFN of the L4 of guest-kernel mode, -1 for none. Written by roots.ts. */
  kernelRoot = -1;
  /** MFN of the L4 of guest-user mode, -1 for none. Written by roots.ts. */
  userRoot = -1;
  readonly #domain: MemoryDomain;
  readonly #words: Int32Array;
  readonly #walk: PageWalk;
  readonly #kernelTlb = new Tlb();
  readonly #userTlb = new Tlb();
  #kernelMode = true;
  #tlb = this.#kernelTlb;
  #tag = this.#kernelTlb.read;
  #wtag = this.#kernelTlb.write;
  #frm = this.#kernelTlb.frame;
  readonly #bytes = new Uint8Array(8);

  constructor(domain: MemoryDomain) {
    this.#domain = domain;
    this.#words = domain.host.memory.words;
    this.#walk = new PageWalk(domain.host);
  }

  get kernelMode(): boolean {
    return this.#kernelMode;
  }

  set kernelMode(kernelMode: boolean) {
    this.#kernelMode = kernelMode;
    this.#tlb = kernelMode ? this.#kernelTlb : this.#userTlb;
    this.#tag = this.#tlb.read;
    this.#wtag = this.#tlb.write;
    this.#frm = this.#tlb.frame;
  }

  /** The L4 of the current mode. */
  get root(): number {
    return this.#kernelMode ? this.kernelRoot : this.userRoot;
  }

  flush(): void {
    this.#kernelTlb.flush();
    this.#userTlb.flush();
  }

  /** The next store to each page walks the tables again. */
  flushWrites(): void {
    this.#kernelTlb.flushWrites();
    this.#userTlb.flushWrites();
  }

  /** INVLPG, in both address spaces. */
  invalidate(va: number): void {
    const page = va - (va & OFFSET);
    this.#kernelTlb.invalidate(page);
    this.#userTlb.invalidate(page);
  }

  ld8(va: number): number {
    const i = (va >>> 12) & TLB_MASK;
    const at =
      this.#tag[i] === va - (va & OFFSET) ? (this.#frm[i] as number) : this.#translate(va, READ);
    return ((this.#words[at + ((va & WORD) >> 2)] as number) >>> ((va & 3) << 3)) & 0xff;
  }

  ld16(va: number): number {
    if ((va & OFFSET) === OFFSET) this.probe(va, 2, false);
    return this.ld8(va) | (this.ld8(va + 1) << 8);
  }

  ld32(va: number): number {
    const i = (va >>> 12) & TLB_MASK;
    if (this.#tag[i] === va - (va & WORD)) {
      return this.#words[(this.#frm[i] as number) + ((va & WORD) >> 2)] as number;
    }
    if ((va & 3) !== 0) return this.#ldUnaligned(va);
    return this.#words[this.#translate(va, READ) + ((va & WORD) >> 2)] as number;
  }

  ldWords(va: number, into: Int32Array, count: number): void {
    const i = (va >>> 12) & TLB_MASK;
    if (this.#tag[i] === va - (va & WORD) && (va & OFFSET) + 4 * count <= PAGE_SIZE) {
      const at = (this.#frm[i] as number) + ((va & WORD) >> 2);
      const words = this.#words;
      for (let k = 0; k < count; k++) into[k] = words[at + k] as number;
    } else this.#ldApart(va, into, count);
  }

  #ldApart(va: number, into: Int32Array, count: number): void {
    for (let k = 0; k < count; k++) into[k] = this.ld32(va + 4 * k);
  }

  fetch32(va: number): number {
    if ((va & 3) !== 0) {
      this.#translate(va, FETCH);
      this.#translate(va + 3, FETCH);
      return this.#ldUnaligned(va);
    }
    const i = (va >>> 12) & TLB_MASK;
    const at =
      this.#tlb.exec[i] === va - (va & WORD)
        ? (this.#frm[i] as number)
        : this.#translate(va, FETCH);
    return this.#words[at + ((va & WORD) >> 2)] as number;
  }

  st8(va: number, value: number): void {
    const i = (va >>> 12) & TLB_MASK;
    const hit = this.#wtag[i] === va - (va & OFFSET);
    const at = hit ? (this.#frm[i] as number) : this.#store(va, 1, value);
    if (at < 0) return;
    const word = at + ((va & WORD) >> 2);
    const shift = (va & 3) << 3;
    const others = (this.#words[word] as number) & ~(0xff << shift);
    this.#words[word] = others | ((value & 0xff) << shift);
  }

  st16(va: number, value: number): void {
    if ((va & 1) !== 0) this.probe(va, 2, true);
    else if (this.#store(va, 2, value) < 0) return;
    this.st8(va, value);
    this.st8(va + 1, value >> 8);
  }

  st32(va: number, value: number): void {
    const i = (va >>> 12) & TLB_MASK;
    if (this.#wtag[i] === va - (va & WORD)) {
      this.#words[(this.#frm[i] as number) + ((va & WORD) >> 2)] = value;
      return;
    }
    if ((va & 3) !== 0) {
      this.probe(va, 4, true);
      for (let k = 0; k < 4; k++) this.st8(va + k, value >> (k << 3));
      return;
    }
    const at = this.#store(va, 4, value);
    if (at >= 0) this.#words[at + ((va & WORD) >> 2)] = value;
  }

  read(va: number, into: Uint8Array): void {
    this.#copy(va, into, into.length, READ);
  }

  /** As {@link read}, the first `length` bytes of `into`. */
  readPart(va: number, into: Uint8Array, length: number): void {
    this.#copy(va, into, length, READ);
  }

  /** A naturally aligned write of 1, 2, 4 or 8 bytes is one store, also to a page table. */
  write(va: number, from: Uint8Array): void {
    const { length } = from;
    if (length <= 8 && length > 0 && (length & (length - 1)) === 0 && va % length === 0) {
      this.#bytes.set(from);
      if (this.#store(va, length, 0, this.#bytes) < 0) return;
    }
    this.#copy(va, from, length, WRITE);
  }

  /**
   * Xen's own store to guest memory: as {@link write}, but a page table is not a place for it.
   * @throws PageFault
   */
  writeForXen(va: number, from: Uint8Array, length: number = from.length): void {
    this.#copy(va, from, length, WRITE);
  }

  probe(va: number, length: number, write: boolean): void {
    const access = write ? WRITE : READ;
    if (length <= 0) return;
    for (let page = va - (va & OFFSET); page < va + length; page += PAGE_SIZE) {
      this.#translate(Math.max(page, va), access);
    }
  }

  /**
   * The L1 entry that maps an address in the kernel's address space, as the tables say now.
   * @returns its word index, or -1 when there is none
   */
  kernelEntry(va: number): number {
    if (!isCanonicalAddress(va)) return -1;
    return this.#walk.walk(this.kernelRoot, va, READ) < 0 ? this.#walk.entry : -1;
  }

  /** Copies between guest memory and `bytes`, a page at a time; all pages are reached before the first is copied. */
  #copy(va: number, bytes: Uint8Array, length: number, access: number): void {
    if (length > 0 && length <= SMALL && (va & OFFSET) + length <= PAGE_SIZE) {
      this.#copySmall(this.#translate(va, access) * 4 + (va & OFFSET), bytes, length, access);
      return;
    }
    this.probe(va, length, access === WRITE);
    const { memory } = this.#domain.host;
    for (let done = 0; done < length; ) {
      const start = (va + done) & OFFSET;
      const end = Math.min(PAGE_SIZE, start + length - done);
      const mfn = memory.firstMfn + Math.floor(this.#translate(va + done, access) / PAGE_WORDS);
      const page = memory.frameBytes(mfn).subarray(start, end);
      if (access === WRITE) page.set(bytes.subarray(done, done + page.length));
      else bytes.set(page, done);
      done += page.length;
    }
  }

  /** Within one page, from a byte index of machine memory on: a word at a time where that is possible. */
  #copySmall(from: number, bytes: Uint8Array, length: number, access: number): void {
    const words = this.#words;
    for (let i = 0, at = from; i < length; ) {
      const index = Math.floor(at / 4);
      const word = words[index] as number;
      const whole = at % 4 === 0 && length - i >= 4;
      const size = whole ? 4 : 1;
      if (access === READ) {
        const shift = (at % 4) * 8;
        for (let k = 0; k < size; k++) bytes[i + k] = word >>> (shift + 8 * k);
      } else if (whole) {
        words[index] =
          (bytes[i] as number) |
          ((bytes[i + 1] as number) << 8) |
          ((bytes[i + 2] as number) << 16) |
          ((bytes[i + 3] as number) << 24);
      } else {
        const shift = (at % 4) * 8;
        words[index] = (word & ~(0xff << shift)) | ((bytes[i] as number) << shift);
      }
      i += size;
      at += size;
    }
  }

  #ldUnaligned(va: number): number {
    this.probe(va, 4, false);
    return this.ld16(va) | (this.ld16(va + 2) << 16);
  }

  /** @returns the frame's first word, or -1 when the store was made as an update of an L1 entry */
  #store(va: number, length: number, value: number, bytes?: Uint8Array): number {
    const i = (va >>> 12) & TLB_MASK;
    if (this.#wtag[i] === va - (va & OFFSET)) return this.#frm[i] as number;
    const fault = this.#tryTranslate(va, WRITE);
    if (fault < 0) return this.#frm[i] as number;
    if (this.#kernelMode && fault > 0 && this.#domain.writablePagetables) {
      if (bytes === undefined) for (let k = 0; k < 4; k++) this.#bytes[k] = value >> (k << 3);
      const { entry } = this.#walk;
      if (storeToReadOnly(this.#domain, entry, va & OFFSET, this.#bytes, length)) return -1;
    }
    throw pageFault(va, WRITE, fault, this.#kernelMode);
  }

  #translate(va: number, access: number): number {
    const fault = this.#tryTranslate(va, access);
    if (fault >= 0) throw pageFault(va, access, fault, this.#kernelMode);
    return this.#frm[(va >>> 12) & TLB_MASK] as number;
  }

  /** Fills the TLB for an access. @returns -1, or the present bit of the fault */
  #tryTranslate(va: number, access: number): number {
    if (!isCanonicalAddress(va)) throw new NonCanonical(va);
    const page = va - (va & OFFSET);
    const i = (page >>> 12) & TLB_MASK;
    const tags = access === READ ? this.#tag : access === WRITE ? this.#wtag : this.#tlb.exec;
    if (tags[i] === page) return -1;
    const fault = this.#walk.walk(this.root, va, access);
    if (fault >= 0) return fault;
    const { frame } = this.#walk;
    const { host } = this.#domain;
    const word = host.memory.wordIndex(frame);
    if (access === READ) this.#tlb.place(page, word);
    else if (access === FETCH) this.#tlb.placeExec(page, word);
    else {
      host.markDirty(frame);
      this.#tlb.placeWrite(page, word);
    }
    return -1;
  }
}
