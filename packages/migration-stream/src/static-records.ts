/*
 * The records before any page: what the guest is (X86_PV_INFO), the policies of its processor, and the mark
 * after which they no longer count (STATIC_DATA_END). Version 2 streams have no such mark: it is taken to
 * stand before the first record that has to do with memory.
 */
import { stream_xc_pv_info } from '@port-xen/abi';
import type { RestoreState, StreamRecord } from './restore-state.ts';

/** The longest body that is read as a whole: ours, libxc stops at 128 MiB. Real ones have some KiB. */
export const BODY_MAX = 1024 * 1024;

/** Bytes in a CPUID leaf and in an MSR entry. */
export const LEAF_SIZE = 24;
export const MSR_ENTRY_SIZE = 16;

const MISSING_CPUID = 1;
const MISSING_MSR = 2;

export const readPvInfo = (state: RestoreState, { length }: StreamRecord): void => {
  const { cursor } = state;
  const size = stream_xc_pv_info.size;
  if (state.pvInfo !== undefined) {
    throw cursor.error('Already received X86_PV_INFO record', 'one', 'a second');
  }
  if (length < size) {
    throw cursor.error('X86_PV_INFO record truncated', `length ${size}`, `${length}`);
  }
  cursor.take(size, 'X86_PV_INFO');
  const { guest_width, pt_levels } = stream_xc_pv_info.at(cursor.memory, 0);
  const found = `width ${guest_width}, pt_levels ${pt_levels}`;
  const is32 = guest_width === 4 && pt_levels === 3;
  if (!is32 && !(guest_width === 8 && pt_levels === 4)) {
    throw cursor.error('Invalid X86_PV_INFO combination', '8, 4 or 4, 3', found);
  }
  if (is32 && !state.compat) {
    throw cursor.error('Image of a 32-bit guest', 'width 8, pt_levels 4', found);
  }
  state.pvInfo = { guest_width, pt_levels };
  state.visitor.pvInfo?.(state.pvInfo);
};

export const readCpuidPolicy = (state: RestoreState, record: StreamRecord): void => {
  const leaves = policy(state, record, LEAF_SIZE);
  state.seenCpuidPolicy = true;
  state.visitor.cpuidPolicy?.(leaves);
};

export const readMsrPolicy = (state: RestoreState, record: StreamRecord): void => {
  const entries = policy(state, record, MSR_ENTRY_SIZE);
  state.seenMsrPolicy = true;
  state.visitor.msrPolicy?.(entries);
};

const policy = (
  { cursor }: RestoreState,
  { name, length }: StreamRecord,
  unit: number,
): Uint8Array => {
  if (length === 0 || length % unit !== 0) {
    throw cursor.error(`${name} record wrong size`, `a multiple of ${unit}`, `${length}`);
  }
  if (length > BODY_MAX) {
    throw cursor.error(`${name} record too long`, `at most ${BODY_MAX}`, `${length}`);
  }
  return cursor.body(length, name);
};

export const readStaticDataEnd = (state: RestoreState): void => {
  if (state.seenStaticDataEnd) {
    throw state.cursor.error('Multiple STATIC_DATA_END records found', 'one', 'a second');
  }
  endStaticData(state, false);
};

/** Before a record that has to do with memory: static data must have ended, or ends here. */
export const requireStaticDataEnd = (state: RestoreState): void => {
  if (state.seenStaticDataEnd) return;
  if (state.version >= 3) {
    throw state.cursor.error('No STATIC_DATA_END seen', 'it before this record', 'none');
  }
  endStaticData(state, true);
};

const endStaticData = (state: RestoreState, implied: boolean): void => {
  state.seenStaticDataEnd = true;
  state.missing =
    (state.seenCpuidPolicy ? 0 : MISSING_CPUID) | (state.seenMsrPolicy ? 0 : MISSING_MSR);
  state.visitor.staticDataEnd?.(state.missing, implied);
};

/** Before a record that means nothing unless the guest's word size is known. */
export const requirePvInfo = (state: RestoreState): { guest_width: number } => {
  if (state.pvInfo !== undefined) return state.pvInfo;
  throw state.cursor.error('Not yet received X86_PV_INFO record', 'it before this one', 'none');
};
