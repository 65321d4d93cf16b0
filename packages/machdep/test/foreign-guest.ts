/*
 * A domain looked at from domain 0, as the toolstack looks at it: frames by number, page tables from cr3.
 */
import { start_info, vcpu_guest_context } from '@port-xen/abi';
import { BytesMemory, type View } from '@port-xen/layout';
import type { TestHost } from '@tooling/testbed';

const PRESENT = 1;
const SPAN = [1, 2 ** 12, 2 ** 21, 2 ** 30, 2 ** 39];
/** Xen's own slots of an L4. */
const XEN_SLOTS = [256, 271] as const;

/** One present entry of a page table. */
export interface TableEntry {
  readonly level: number;
  /** The table's own frame. */
  readonly table: number;
  readonly slot: number;
  readonly mfn: number;
}

export class ForeignGuest {
  readonly host: TestHost;
  readonly domid: number;

  constructor(host: TestHost, domid: number) {
    this.host = host;
    this.domid = domid;
  }

  /** A copy of a frame. */
  frame(mfn: number): BytesMemory {
    const mapping = this.host.hv.dom0.mapForeign(this.domid, mfn);
    const bytes = new Uint8Array(4096);
    mapping.memory.read(0, bytes);
    mapping.unmap();
    return new BytesMemory(bytes);
  }

  get context(): View<typeof vcpu_guest_context> {
    return vcpu_guest_context.at(
      new BytesMemory(this.host.hv.domctl.getVcpuContext(this.domid, 0)),
      0,
    );
  }

  /** The frame of the current kernel L4. */
  get root(): number {
    return this.context.ctrlreg.get(3) / 4096;
  }

  /** The frame of the current user L4, 0 when there is none. */
  get userRoot(): number {
    return this.context.ctrlreg.get(1) / 4096;
  }

  /** The start_info page that the last suspend named. */
  startInfo(mfn: number): View<typeof start_info> {
    return start_info.at(this.frame(mfn), 0);
  }

  m2p(mfn: number): number {
    return this.host.hv.m2p.get(mfn);
  }

  /** The frame behind a kernel address, -1 when nothing is mapped. */
  mfnAt(va: number): number {
    const linear = va < 0 ? va + 2 ** 48 : va;
    let table = this.root;
    for (let level = 4; level >= 1; level--) {
      const slot = Math.floor(linear / (SPAN[level] as number)) % 512;
      const memory = this.frame(table);
      if ((memory.ld32(8 * slot) & PRESENT) === 0) return -1;
      table = frameIn(memory, slot);
    }
    return table;
  }

  /** Every present entry of the tables below an L4, Xen's slots left out, each table once. */
  *entries(root: number): Generator<TableEntry> {
    const seen = new Set<number>();
    const pending: [number, number][] = [[root, 4]];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const [table, level] = next;
      if (seen.has(table)) continue;
      seen.add(table);
      const memory = this.frame(table);
      for (let slot = 0; slot < 512; slot++) {
        if (level === 4 && slot >= XEN_SLOTS[0] && slot <= XEN_SLOTS[1]) continue;
        if ((memory.ld32(8 * slot) & PRESENT) === 0) continue;
        const mfn = frameIn(memory, slot);
        yield { level, table, slot, mfn };
        if (level > 1 && mfn !== table) pending.push([mfn, level - 1]);
      }
    }
  }
}

const frameIn = (table: BytesMemory, slot: number): number =>
  ((table.ld32(8 * slot + 4) & 0xfff) << 20) | (table.ld32(8 * slot) >>> 12);
