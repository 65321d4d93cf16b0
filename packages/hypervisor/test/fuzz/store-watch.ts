/*
 * Sees every byte of machine memory that changes while one guest acts, and says which frames it was not the guest's to change.
 *
 * A copy of the memory is compared with it after a burst of calls. A guest may change
 *
 *   its own frames, before or after       frames that nobody owned, before or after
 *   frames that their owner gave up and others still map: they may become free, and anybody's
 *   another's frame, if it is granted to it for writing, or if a page-table entry of its own maps it writable
 *   Xen's frames for any domain: shared_info and grant tables, where events and grants are noted; and the pages that domains
 *   registered for their vcpu_info, where events are
 *
 * The M2P is Xen's: only entries of frames that the guest owned, before or after, may change, and of those that nobody did. A store that
 * leaves a byte as it was is not seen.
 */
import { DOMID_XEN, GTF_permit_access, GTF_readonly, GTF_type_mask } from '@port-xen/abi';
import { NO_OWNER, PGC_allocated, PGC_xen_heap, PGT_l1_page_table } from '../../src/frame-table.ts';
import { PTE_PRESENT, PTE_RW, pteFrame } from '../../src/page-entry.ts';
import type { Machine } from '../cpu/machine.ts';
import type { Attacker } from './attacker.ts';

const PAGE = 4096;

export class StoreWatch {
  readonly #machine: Machine;
  readonly #memory: Buffer;
  readonly #copy: Buffer;
  readonly #owner: Int32Array;
  readonly #mayWrite: Uint8Array;
  /** Frames of the M2P that entries of this host are in, as indices. */
  readonly #m2pFirst: number;
  readonly #m2pCount: number;
  readonly #xenFrames: number;
  #changes = 0;

  constructor(machine: Machine, buffer: ArrayBuffer) {
    this.#machine = machine;
    const { table, memory } = machine.xen.host;
    this.#memory = Buffer.from(buffer);
    this.#copy = Buffer.from(this.#memory);
    this.#owner = table.owner.slice();
    this.#mayWrite = new Uint8Array(memory.frames);
    this.#xenFrames = table.owner.findIndex((owner) => owner !== DOMID_XEN);
    this.#m2pFirst = Math.floor(((memory.firstMfn * 8) % 2 ** 21) / PAGE);
    this.#m2pCount = Math.ceil((memory.frames * 8) / PAGE);
  }

  /** Frames seen to change so far. */
  get changes(): number {
    return this.#changes;
  }

  /** Before a guest acts: takes note of what is not its own and it may change all the same. */
  begin(guest: Attacker): void {
    const { table, memory } = this.#machine.xen.host;
    this.#owner.set(table.owner);
    this.#mayWrite.fill(0);
    const allow = (mfn: number): void => {
      const i = table.index(mfn);
      if (i >= 0) this.#mayWrite[i] = 1;
    };
    for (let i = 0; i < table.frames; i++) {
      if (((table.flags[i] as number) & PGC_allocated) === 0) this.#owner[i] = NO_OWNER;
      const live = table.type[i] === PGT_l1_page_table && (table.typeRefs[i] as number) > 0;
      if (!live || table.owner[i] !== guest.domid) continue;
      for (let at = i * 1024; at < (i + 1) * 1024; at += 2) {
        const low = memory.words[at] as number;
        if ((low & (PTE_PRESENT | PTE_RW)) !== (PTE_PRESENT | PTE_RW)) continue;
        allow(pteFrame(low, memory.words[at + 1] as number));
      }
    }
    for (const domain of this.#machine.xen.domains.values()) {
      for (const vcpu of domain.vcpus) allow(vcpu.registeredInfoMfn);
      for (let ref = 0; ref < domain.grants.entries; ref++) {
        const at = domain.grants.addressOf(ref);
        const word = memory.ld32(at);
        const kind = word & (GTF_type_mask | GTF_readonly);
        if (kind === GTF_permit_access && word >>> 16 === guest.domid) allow(memory.ld32(at + 4));
      }
    }
    for (const [, mapping] of guest.domain.maptrack.entries()) allow(mapping.mfn);
  }

  /** After it acted. @returns sentences about what it was not to change */
  end(guest: Attacker): string[] {
    const { table } = this.#machine.xen.host;
    const wrong: string[] = [];
    for (let i = this.#xenFrames; i < table.frames; i++) {
      if (!this.#take(i)) continue;
      const [before, after] = [this.#owner[i] as number, table.owner[i] as number];
      const owned = (id: number): boolean => id === guest.domid || id === NO_OWNER;
      const xens = ((table.flags[i] as number) & PGC_xen_heap) !== 0;
      if (owned(before) || owned(after) || xens || this.#mayWrite[i] === 1) continue;
      wrong.push(`domain ${guest.domid} changed ${table.describe(table.firstMfn + i)}`);
    }
    this.#m2p(guest, wrong);
    return wrong;
  }

  /** Compares a frame and takes over what it is now. @returns whether it changed */
  #take(i: number): boolean {
    const at = i * PAGE;
    if (this.#memory.compare(this.#copy, at, at + PAGE, at, at + PAGE) === 0) return false;
    this.#memory.copy(this.#copy, at, at, at + PAGE);
    this.#changes++;
    return true;
  }

  #m2p(guest: Attacker, wrong: string[]): void {
    const { table } = this.#machine.xen.host;
    const start = this.#m2pFirst * PAGE;
    const length = this.#m2pCount * PAGE;
    if (this.#memory.compare(this.#copy, start, start + length, start, start + length) === 0)
      return;
    for (let i = 0; i < table.frames; i++) {
      const at = start + i * 8;
      if (this.#memory.compare(this.#copy, at, at + 8, at, at + 8) === 0) continue;
      const owners = [this.#owner[i], table.owner[i]];
      if (owners.some((id) => id === guest.domid || id === NO_OWNER)) continue;
      wrong.push(
        `domain ${guest.domid} changed the M2P entry of ${table.describe(table.firstMfn + i)}`,
      );
    }
    this.#memory.copy(this.#copy, start, start, start + length);
  }

  /** Takes over what the test itself did. */
  resync(): void {
    this.#memory.copy(this.#copy);
  }
}
