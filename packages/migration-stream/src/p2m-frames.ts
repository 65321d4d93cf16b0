/*
 * X86_PV_P2M_FRAMES { start_pfn u32, end_pfn u32, u64 pfn … }: how large the domain is, and which of its own
 * pages hold its P2M, so that the new MFNs can be written there. With 8-byte words a page holds the entries
 * of 512 pfns, so pages start_pfn / 512 … end_pfn / 512 are named. A later record may make the domain larger
 * or name other pages; at the end every page of the P2M must have a name.
 */
import { stream_xc_p2m_frames } from '@port-xen/abi';
import { PAGE_SIZE } from './page-type.ts';
import type { RestoreState, StreamRecord } from './restore-state.ts';
import { requirePvInfo, requireStaticDataEnd } from './static-records.ts';

/** Entries that are looked at in one go. */
const CHUNK = 4096;

export const readP2mFrames = (state: RestoreState, { length }: StreamRecord): void => {
  const { cursor } = state;
  requireStaticDataEnd(state);
  const perPage = PAGE_SIZE / requirePvInfo(state).guest_width;
  const head = stream_xc_p2m_frames.size;
  const error = (words: string, expected: string, found: string) =>
    cursor.error(`X86_PV_P2M_FRAMES record ${words}`, expected, found);
  if (length < head) throw error('truncated', `length of at least ${head + 8}`, `${length}`);
  cursor.take(head, 'X86_PV_P2M_FRAMES');
  const { start_pfn, end_pfn } = stream_xc_p2m_frames.at(cursor.memory, 0);
  if (start_pfn > end_pfn) {
    const found = `end_pfn ${hex(end_pfn)}`;
    throw error('has its end before its start', `end_pfn of at least ${hex(start_pfn)}`, found);
  }
  const start = Math.floor(start_pfn / perPage);
  const end = Math.floor(end_pfn / perPage) + 1;
  if (length !== head + (end - start) * 8) {
    const span = `start_pfn ${hex(start_pfn)}, end_pfn ${hex(end_pfn)}`;
    throw error('wrong size', `length ${head + (end - start) * 8} for ${span}`, `${length}`);
  }
  if (end_pfn > state.pfnLimit) {
    throw error('too large', `end_pfn of at most ${hex(state.pfnLimit)}`, hex(end_pfn));
  }
  const pfns = readPfns(state, end - start, Math.max(state.maxPfn, end_pfn));
  state.maxPfn = Math.max(state.maxPfn, end_pfn);
  if (state.p2mFrames.length < end) {
    const larger = new Int32Array(end).fill(-1);
    larger.set(state.p2mFrames);
    state.p2mFrames = larger;
  }
  state.p2mFrames.set(pfns, start);
  state.visitor.p2mFrames?.({ startPfn: start_pfn, endPfn: end_pfn, pfns });
};

const readPfns = ({ cursor }: RestoreState, count: number, maxPfn: number): Int32Array => {
  let pfns = new Int32Array(Math.min(count, CHUNK));
  for (let at = 0; at < count; at += CHUNK) {
    const some = Math.min(CHUNK, count - at);
    if (at + some > pfns.length) {
      const larger = new Int32Array(Math.min(count, Math.max(at * 2, at + some)));
      larger.set(pfns);
      pfns = larger;
    }
    cursor.take(some * 8, 'X86_PV_P2M_FRAMES');
    for (let i = 0; i < some; i++) {
      const pfn = cursor.words[i * 2] ?? -1;
      if (cursor.words[i * 2 + 1] !== 0 || pfn < 0 || pfn > maxPfn) {
        const words = `pfn (${word(cursor.words, i)}) for p2m_frame_list[${at + i}] out of range`;
        throw cursor.error(words, `at most ${hex(maxPfn)}`, word(cursor.words, i));
      }
      pfns[at + i] = pfn;
    }
  }
  return pfns;
};

/** At the end of the stream: no page of the P2M is without a name. */
export const requireP2mFrames = ({ cursor, p2mFrames }: RestoreState): void => {
  if (p2mFrames.length === 0) {
    throw cursor.error('Stream without memory', 'X86_PV_P2M_FRAMES before END', 'none');
  }
  const unnamed = p2mFrames.indexOf(-1);
  if (unnamed >= 0) {
    const words = `pfn for p2m_frame_list[${unnamed}] out of range`;
    throw cursor.error(words, 'X86_PV_P2M_FRAMES to name it', 'none that does');
  }
};

const hex = (value: number): string => `0x${value.toString(16)}`;

/** The 64-bit word at an index, for an error. */
const word = (words: Int32Array, index: number): string => {
  const low = ((words[index * 2] ?? 0) >>> 0).toString(16);
  const high = ((words[index * 2 + 1] ?? 0) >>> 0).toString(16);
  return high === '0' ? `0x${low}` : `0x${high}${low.padStart(8, '0')}`;
};
