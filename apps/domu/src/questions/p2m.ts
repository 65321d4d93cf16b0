/*
 * Question 1: which structures hold machine addresses, and who mends each when the domain wakes up on other frames?
 *
 * Every word of the domain's memory is looked at: a frame number of the first host lies in the first host's slot, one of the
 * second host's in the second's, so a number says whose it is. Page tables are read as entries, everything else as
 * 64-bit words. What changed before the guest ran again was mended by the toolstack, what changed after by the guest.
 */
import { arch_shared_info, shared_info, start_info, vcpu_guest_context } from '@port-xen/abi';
import { KERNBASE, PAGE_SIZE } from '@port-xen/kern';
import { BytesMemory, ldI64 } from '@port-xen/layout';
import type { World } from '../world.ts';
import type { Memory, Page } from './snapshot.ts';
import { table } from './table.ts';
import type { Lives } from './two-lives.ts';

const PRESENT = 1;
const FRAME_BITS = 2 ** 40;
const ENTRIES = PAGE_SIZE / 8;

/** Which host a word names a frame of; undefined when it names none. */
const hostOf = (worlds: readonly World[], word: number): 0 | 1 | undefined => {
  const inside = (world: World | undefined): boolean =>
    world !== undefined && word >= world.hv.firstMfn && word < world.hv.firstMfn + world.hv.frames;
  if (inside(worlds[0])) return 0;
  return inside(worlds[1]) ? 1 : undefined;
};

/** The frame that a word may mean: an entry's, a machine address's, or the word itself. */
const frameOf = (memory: BytesMemory, at: number, level: number): number => {
  const word = ldI64(memory, at);
  if (level > 0) {
    return (memory.ld32(at) & PRESENT) === 0
      ? -1
      : Math.floor((((word % 2 ** 52) + 2 ** 52) % 2 ** 52) / PAGE_SIZE) % FRAME_BITS;
  }
  // start_info holds one machine address among frame numbers.
  return word > 2 ** 32 && word % PAGE_SIZE === 0 ? word / PAGE_SIZE : word;
};

/** What a word belongs to, in the kernel's own terms. */
class Names {
  readonly #lives: Lives;
  readonly #p2m = new Set<number>();
  readonly #frameList = new Set<number>();
  readonly #startInfo: number;

  constructor(lives: Lives) {
    this.#lives = lives;
    const { memory: suspended, sharedInfo, context } = lives.suspended;
    const byMfn = new Map([...suspended].map(([pfn, page]) => [page.mfn, pfn]));
    const arch = arch_shared_info.at(new BytesMemory(sharedInfo), shared_info.offset.arch);
    const root = arch.pfn_to_mfn_frame_list_list;
    const words = (mfn: number): number[] => {
      const page = suspended.get(byMfn.get(mfn) ?? -1);
      if (page === undefined) return [];
      const memory = new BytesMemory(page.bytes);
      return Array.from({ length: ENTRIES }, (_, i) => ldI64(memory, 8 * i)).filter((w) =>
        byMfn.has(w),
      );
    };
    this.#frameList.add(byMfn.get(root) ?? -1);
    for (const l2 of words(root)) {
      this.#frameList.add(byMfn.get(l2) ?? -1);
      for (const leaf of words(l2)) this.#p2m.add(byMfn.get(leaf) ?? -1);
    }
    // The suspend hypercall's third argument.
    const { rdx } = vcpu_guest_context.at(new BytesMemory(context), 0).user_regs;
    this.#startInfo = byMfn.get(rdx) ?? -1;
  }

  of(pfn: number, offset: number, level: number): string {
    if (level > 0) return `page tables, L${level}`;
    if (this.#p2m.has(pfn)) return 'P2M (xpmap_phys_to_machine_mapping)';
    if (this.#frameList.has(pfn)) return 'P2M frame list (L2 and L3 pages)';
    if (pfn === this.#startInfo) {
      const field = Object.entries(start_info.offset)
        .filter(([, at]) => at <= offset)
        .at(-1);
      return `start_info.${field?.[0] ?? '?'}`;
    }
    const symbol = this.#lives.guest.engine.image.symbolAt(KERNBASE + pfn * PAGE_SIZE + offset);
    return symbol.startsWith('0x') ? 'other pages' : symbol.replace(/\+.*/, '');
  }
}

interface Count {
  /** Words that name a frame of the first host at the suspend. */
  suspended: number;
  /** What the same words hold later: [of the first host, of the second]. */
  restored: [number, number];
  resumed: [number, number];
}

const count = (lives: Lives): Map<string, Count> => {
  const names = new Names(lives);
  const counts = new Map<string, Count>();
  const look = (memory: Memory, add: (count: Count, host: 0 | 1) => void): void => {
    for (const [pfn, page] of memory) {
      eachFrame(page, (offset, frame) => {
        const host = hostOf(lives.worlds, frame);
        if (host === undefined) return;
        const name = names.of(pfn, offset, page.level);
        const entry = counts.get(name) ?? { suspended: 0, restored: [0, 0], resumed: [0, 0] };
        counts.set(name, entry);
        add(entry, host);
      });
    }
  };
  look(lives.suspended.memory, (entry, host) => {
    if (host === 0) entry.suspended++;
  });
  look(lives.restored.memory, (entry, host) => entry.restored[host]++);
  look(lives.resumed.memory, (entry, host) => entry.resumed[host]++);
  return counts;
};

const eachFrame = (page: Page, use: (offset: number, frame: number) => void): void => {
  const memory = new BytesMemory(page.bytes);
  for (let at = 0; at < PAGE_SIZE; at += 8) use(at, frameOf(memory, at, page.level));
};

const mender = ({ suspended, restored, resumed }: Count): string => {
  if (restored[0] === 0 && restored[1] > 0 && suspended === 0)
    return 'guest to pfn, toolstack back';
  if (restored[0] === 0 && restored[1] > 0) return 'toolstack';
  if (resumed[0] < restored[0] && resumed[1] > 0) return 'guest';
  if (resumed[0] > 0) return 'nobody: left behind';
  if (resumed[1] === 0) return 'guest: forgotten';
  return 'guest, anew';
};

/** The answer, as a table. */
export const answerP2m = (lives: Lives): string => {
  const rows = [...count(lives)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, entry]) => [
      name,
      entry.suspended,
      entry.restored[0],
      entry.restored[1],
      entry.resumed[0],
      entry.resumed[1],
      mender(entry),
    ]);
  return [
    "Words of the domain's memory that name machine frames: of the old host, of the new one",
    '',
    table(
      ['structure', 'suspended: old', 'restored: old', 'new', 'resumed: old', 'new', 'mended by'],
      rows,
    ),
  ].join('\n');
};
