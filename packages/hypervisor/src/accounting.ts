/*
 * The books of a host's memory, kept twice: every reference and type count is worked out again from what should hold one, and
 * compared with what the frame table says.
 *
 *   a frame that belongs to somebody   1, while the owner's reference is there
 *   a pin                              1 and 1 of the type
 *   a vCPU's kernel and user root      1 and 1 L4 each
 *   a GDT or LDT frame                 1 and 1 seg_desc
 *   an entry of a live table           L1: 1, and 1 writable if RW; Ln: 1 and 1 of the table it names, itself excepted
 *   Xen's own frame for a domain       1 writable, beside the owner's reference
 *   a hold                             1, and 1 writable if it is
 */

import { DOMID_XEN } from '@port-xen/abi';
import {
  NO_OWNER,
  PGC_allocated,
  PGC_xen_heap,
  PGT_l4_page_table,
  PGT_none,
  PGT_pinned,
  PGT_validated,
  PGT_writable_page,
} from './frame-table.ts';
import type { HostMemory } from './host-memory.ts';
import type { FrameHold, MemoryDomain } from './memory-domain.ts';
import { PTE_PRESENT, PTE_RW, pteFrame } from './page-entry.ts';
import { FIRST_XEN_SLOT, LAST_XEN_SLOT } from './xen-page-tables.ts';

/** Sentences are enough when there are that many. */
const MAX_SENTENCES = 50;

class Books {
  readonly sentences: string[] = [];
  readonly refs: Int32Array;
  readonly typeRefs: Int32Array;
  readonly #host: HostMemory;

  constructor(host: HostMemory) {
    this.#host = host;
    this.refs = new Int32Array(host.table.frames);
    this.typeRefs = new Int32Array(host.table.frames);
  }

  say(sentence: string): void {
    if (this.sentences.length < MAX_SENTENCES) this.sentences.push(sentence);
  }

  /** Somebody holds a frame, and a type of it unless that is PGT_none. */
  hold(mfn: number, type: number, holder: string): void {
    const { table } = this.#host;
    const i = table.index(mfn);
    if (i < 0 || table.owner[i] === NO_OWNER) {
      this.say(`${holder} holds ${table.describe(mfn)}, which belongs to nobody`);
      return;
    }
    this.refs[i] = (this.refs[i] as number) + 1;
    if (type === PGT_none) return;
    this.typeRefs[i] = (this.typeRefs[i] as number) + 1;
    if (table.type[i] !== type) {
      this.say(`${holder} needs type ${type}, found ${table.describe(mfn)}`);
    }
  }
}

/**
 * Recomputes all counts.
 * @param domains whose vCPUs hold frames
 * @param holds what is held outside page tables: foreign mappings, registered vcpu_info pages, grant mappings without an entry
 * @returns differences as sentences (at most 50), none when the books agree
 */
export const accounting = (
  host: HostMemory,
  domains: Iterable<MemoryDomain>,
  holds: Iterable<FrameHold>,
): string[] => {
  const books = new Books(host);
  for (const { mfn, writable, holder } of holds) {
    books.hold(mfn, writable ? PGT_writable_page : PGT_none, holder);
  }
  for (const domain of domains) holdVcpus(books, domain);
  holdFrames(books, host);
  compare(books, host);
  compareDomains(books, host);
  return books.sentences;
};

const holdVcpus = (books: Books, domain: MemoryDomain): void => {
  for (const vcpu of domain.vcpus) {
    if (vcpu === undefined) continue;
    const name = `d${domain.domid}v${vcpu.id}`;
    const { kernelRoot, userRoot } = vcpu.mmu;
    if (kernelRoot >= 0) books.hold(kernelRoot, PGT_l4_page_table, `${name}'s kernel root`);
    if (userRoot >= 0) books.hold(userRoot, PGT_l4_page_table, `${name}'s user root`);
    for (const mfn of vcpu.gdtFrames) if (mfn >= 0) books.hold(mfn, 5, `${name}'s GDT`);
    for (const mfn of vcpu.ldtFrames) if (mfn >= 0) books.hold(mfn, 5, `${name}'s LDT`);
  }
};

const holdFrames = (books: Books, host: HostMemory): void => {
  const { table } = host;
  for (let i = 0; i < table.frames; i++) {
    const mfn = table.firstMfn + i;
    const flags = table.flags[i] as number;
    const type = table.type[i] as number;
    if (table.owner[i] === DOMID_XEN) books.refs[i] = 1;
    else if ((flags & PGC_allocated) !== 0) {
      const xens = (flags & PGC_xen_heap) !== 0;
      books.hold(mfn, xens ? PGT_writable_page : PGT_none, `mfn ${mfn}'s owner`);
    }
    if ((flags & PGT_pinned) !== 0) books.hold(mfn, type, `mfn ${mfn}'s pin`);
    const live = type >= 1 && type <= PGT_l4_page_table && (table.typeRefs[i] as number) > 0;
    if (!live) continue;
    if ((flags & PGT_validated) === 0)
      books.say(`${table.describe(mfn)} is live but not validated`);
    holdEntries(books, host, mfn, type);
  }
};

const holdEntries = (books: Books, host: HostMemory, mfn: number, level: number): void => {
  const { words } = host.memory;
  const base = host.memory.wordIndex(mfn);
  for (let slot = 0; slot < 512; slot++) {
    if (level === 4 && slot >= FIRST_XEN_SLOT && slot <= LAST_XEN_SLOT) continue;
    const low = words[base + slot * 2] as number;
    if ((low & PTE_PRESENT) === 0) continue;
    const target = pteFrame(low, words[base + slot * 2 + 1] as number);
    if (level > 1 && target === mfn) continue;
    const name = `L${level} entry ${slot} of mfn ${mfn}`;
    const writable = (low & PTE_RW) !== 0;
    if (level === 1) books.hold(target, writable ? PGT_writable_page : PGT_none, name);
    else {
      const linear = !writable && host.table.type[host.table.index(target)] === level;
      books.hold(target, linear ? level : level - 1, name);
    }
  }
};

const compare = (books: Books, host: HostMemory): void => {
  const { table } = host;
  for (let i = 0; i < table.frames; i++) {
    const mfn = table.firstMfn + i;
    if (table.refs[i] !== books.refs[i]) {
      books.say(`expected ${books.refs[i]} references, found ${table.describe(mfn)}`);
    }
    if (table.typeRefs[i] !== books.typeRefs[i]) {
      books.say(`expected ${books.typeRefs[i]} type references, found ${table.describe(mfn)}`);
    }
    if ((table.owner[i] === NO_OWNER) !== (table.refs[i] === 0)) {
      books.say(`expected an owner while there are references, found ${table.describe(mfn)}`);
    }
  }
};

/** Frames counted by owner against totPages, and free ones against the allocator. */
const compareDomains = (books: Books, host: HostMemory): void => {
  const { owner, flags } = host.table;
  const owned = new Map<number, number>();
  const all = new Map<number, number>();
  let free = 0;
  for (let i = 0; i < owner.length; i++) {
    const domid = owner[i] as number;
    if (domid === NO_OWNER) free++;
    else {
      all.set(domid, (all.get(domid) ?? 0) + 1);
      if (((flags[i] as number) & PGC_xen_heap) !== 0) continue;
      owned.set(domid, (owned.get(domid) ?? 0) + 1);
    }
  }
  if (free !== host.allocator.free) {
    books.say(`expected ${free} free frames, found ${host.allocator.free} in the allocator`);
  }
  for (const [domid, count] of owned) {
    if (!host.domains.has(domid)) books.say(`${count} frames belong to unknown domain ${domid}`);
  }
  for (const domain of host.domains.values()) {
    const count = owned.get(domain.domid) ?? 0;
    if (count !== domain.totPages) {
      books.say(`expected domain ${domain.domid} to own ${domain.totPages} frames, found ${count}`);
    }
    const every = all.get(domain.domid) ?? 0;
    const told = host.framesOf(domain.domid);
    if (count === domain.totPages && every !== told) {
      books.say(`expected ${told} frames of domain ${domain.domid}, found ${every}`);
    }
  }
};
