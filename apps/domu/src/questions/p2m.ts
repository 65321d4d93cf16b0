/*
 * Question 1: which structures hold machine addresses, and who mends each when the domain wakes up on other frames?
 *
 * Every word of the domain's memory is looked at, and what Xen keeps of the domain: a frame number of the first host lies in the first
 * host's range, one of the second host's in the second's, so a number says whose it is. Page tables are read as entries, everything else as
 * 64-bit words. What changed before the guest ran again was mended by the toolstack, what changed after by the guest.
 */
import { arch_shared_info, cpu_user_regs, shared_info, vcpu_guest_context } from '@port-xen/abi';
import { PAGE_SIZE } from '@port-xen/kern';
import { BytesMemory, ldI64 } from '@port-xen/layout';
import { FrameHolders } from './frame-holders.ts';
import { hostOf } from './host-of.ts';
import type { Still } from './still.ts';
import { table } from './table.ts';
import type { Lives } from './two-lives.ts';

const PRESENT = 1;
const FRAME_BITS = 2 ** 40;
const MEMORY = 'its pages';
const SHARED_INFO = 'shared_info';
const CONTEXT = 'vCPU context';
const GRANTS = 'grant table';
/** In the order in which they are shown. */
const PLACES: readonly string[] = [MEMORY, SHARED_INFO, CONTEXT, GRANTS];

/** And of the domain's pages. */
const FIRST: readonly string[] = ['page tables', 'P2M', 'start_info'];

/** The frame that a word may mean: an entry's, a machine address's, or the word itself. */
const frameOf = (memory: BytesMemory, at: number, level: number): number => {
  const word = ldI64(memory, at);
  if (level > 0) {
    return (memory.ld32(at) & PRESENT) === 0
      ? -1
      : Math.floor((((word % 2 ** 52) + 2 ** 52) % 2 ** 52) / PAGE_SIZE) % FRAME_BITS;
  }
  // start_info and the context hold machine addresses among frame numbers.
  return word > 2 ** 32 && word % PAGE_SIZE === 0 ? word / PAGE_SIZE : word;
};

/** The field of a struct at an offset. */
const fieldAt = (offsets: Readonly<Record<string, number>>, offset: number): string =>
  Object.entries(offsets)
    .filter(([, at]) => at <= offset)
    .at(-1)?.[0] ?? '?';

const sharedInfoField = (offset: number): string => {
  const { arch } = shared_info.offset;
  if (offset < arch) return fieldAt(shared_info.offset, offset);
  return `arch.${fieldAt(arch_shared_info.offset, offset - arch)}`;
};

const contextField = (offset: number): string => {
  const { user_regs, ctrlreg } = vcpu_guest_context.offset;
  const field = fieldAt(vcpu_guest_context.offset, offset);
  if (field === 'user_regs')
    return `user_regs.${fieldAt(cpu_user_regs.offset, offset - user_regs)}`;
  return field === 'ctrlreg' ? `ctrlreg[${(offset - ctrlreg) / 8}]` : field;
};

/** Told which host a frame is of that is named, in which place, by whom. */
type Use = (host: 0 | 1, place: string, holder: string) => void;

const eachFrame = (lives: Lives, still: Still, holders: FrameHolders, use: Use): void => {
  const lookAll = (bytes: Uint8Array, level: number, place: string, of: (at: number) => string) => {
    const memory = new BytesMemory(bytes);
    for (let at = 0; at < bytes.length; at += 8) {
      const host = hostOf(lives.worlds, frameOf(memory, at, level));
      if (host !== undefined) use(host, place, of(at));
    }
  };
  for (const [pfn, { bytes, level }] of still.memory) {
    lookAll(bytes, level, MEMORY, (at) => holders.of(pfn, at, level));
  }
  lookAll(still.sharedInfo.subarray(0, shared_info.size), 0, SHARED_INFO, sharedInfoField);
  for (const { context } of still.vcpus) lookAll(context, 0, CONTEXT, contextField);
  const holderOf = holders.grantsOf(still);
  for (const grant of still.grants) {
    const host = hostOf(lives.worlds, grant.mfn);
    if (host !== undefined) use(host, GRANTS, holderOf(grant));
  }
};

interface Count {
  /** Words that name a frame of the first host at the suspend. */
  suspended: number;
  /** What the same words hold later: [of the first host, of the second]. */
  restored: [number, number];
  resumed: [number, number];
}

const count = (lives: Lives): Map<string, Count> => {
  const holders = new FrameHolders(lives.guest, lives.suspended);
  const counts = new Map<string, Count>();
  const look = (still: Still, add: (count: Count, host: 0 | 1) => void): void =>
    eachFrame(lives, still, holders, (host, place, holder) => {
      const key = `${place}\t${holder}`;
      const entry = counts.get(key) ?? { suspended: 0, restored: [0, 0], resumed: [0, 0] };
      counts.set(key, entry);
      add(entry, host);
    });
  look(lives.suspended, (entry, host) => {
    if (host === 0) entry.suspended++;
  });
  look(lives.restored, (entry, host) => entry.restored[host]++);
  look(lives.resumed, (entry, host) => entry.resumed[host]++);
  return counts;
};

const mender = ({ suspended, restored, resumed }: Count): string => {
  if (restored[0] === 0 && restored[1] > 0 && suspended === 0)
    return 'guest to pfn, toolstack back';
  if (restored[0] === 0 && restored[1] > 0) {
    const more = resumed[1] - restored[1];
    return more > 0 ? `toolstack; ${more} made since` : 'toolstack';
  }
  if (resumed[0] < restored[0] && resumed[1] > 0) return 'guest';
  if (resumed[0] > 0) return 'nobody: left behind';
  if (resumed[1] === 0) return 'guest: forgotten';
  return suspended === 0 ? 'made since' : 'guest, anew';
};

/** Where a holder is shown: place by place, and in the domain's pages first what is there for frames. */
const rankOf = (key: string): number => {
  const [place = '', holder = ''] = key.split('\t');
  const first = FIRST.findIndex((start) => holder.startsWith(start));
  return PLACES.indexOf(place) * 10 + (first < 0 ? FIRST.length : first);
};

/** The answer, as a table. */
export const answerP2m = (lives: Lives): string => {
  const rows = [...count(lives)]
    .map(([key, entry]) => ({ key, rank: rankOf(key), entry }))
    .sort((a, b) => a.rank - b.rank || (a.key < b.key ? -1 : 1))
    .map(({ key, entry }) => [
      ...key.split('\t'),
      entry.suspended,
      entry.restored[0],
      entry.restored[1],
      entry.resumed[0],
      entry.resumed[1],
      mender(entry),
    ]);
  return [
    'Words that name machine frames: of the old host, of the new one',
    '',
    table(
      [
        'in',
        'structure',
        'suspended: old',
        'restored: old',
        'new',
        'resumed: old',
        'new',
        'mended by',
      ],
      rows,
    ),
  ].join('\n');
};
