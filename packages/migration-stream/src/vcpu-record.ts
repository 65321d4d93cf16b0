/*
 * X86_PV_VCPU_{BASIC,EXTENDED,XSAVE,MSRS} { vcpu_id u32, reserved u32, … }. Genuine code keeps the four and
 * gives them to Xen at the end, the last of each kind counting; a visitor does the same. Old senders made
 * records with nothing behind the header by mistake: they mean nothing, and the visitor does not hear of them.
 */
import {
  stream_xc_vcpu_hdr,
  stream_xsave_hdr,
  vcpu_guest_context,
  XC_REC_TYPE_X86_PV_VCPU_BASIC,
  XC_REC_TYPE_X86_PV_VCPU_EXTENDED,
  XC_REC_TYPE_X86_PV_VCPU_XSAVE,
} from '@port-xen/abi';
import type { RestoreState, StreamRecord } from './restore-state.ts';
import { BODY_MAX, MSR_ENTRY_SIZE, requirePvInfo } from './static-records.ts';

/** The most that Xen's interface has room for. */
export const EXTENDED_MAX = 128;

/** sizeof(vcpu_guest_context_x86_32_t). */
const CONTEXT_SIZE_32 = 2800;

export const readVcpu = (state: RestoreState, record: StreamRecord): void => {
  const { cursor, visitor } = state;
  const { guest_width } = requirePvInfo(state);
  const { type, name, length } = record;
  const head = stream_xc_vcpu_hdr.size;
  if (length < head) {
    throw cursor.error(`${name} record truncated`, `length of at least ${head}`, `${length}`);
  }
  const size = length - head;
  cursor.take(head, name);
  if (size === 0) return;
  const vcpu = stream_xc_vcpu_hdr.at(cursor.memory, 0).vcpu_id;
  const maxVcpuId = state.maxVcpuId();
  if (vcpu > maxVcpuId) {
    const words = `${name} record vcpu_id (${vcpu}) exceeds domain max (${maxVcpuId})`;
    throw cursor.error(words, `at most ${maxVcpuId}`, `${vcpu}`);
  }
  checkSize(state, record, size, guest_width);
  const body = cursor.body(size, name);
  if (type === XC_REC_TYPE_X86_PV_VCPU_BASIC) {
    state.vcpus.add(vcpu);
    visitor.vcpuBasic?.(vcpu, body);
  } else if (type === XC_REC_TYPE_X86_PV_VCPU_EXTENDED) visitor.vcpuExtended?.(vcpu, body);
  else if (type === XC_REC_TYPE_X86_PV_VCPU_XSAVE) visitor.vcpuXsave?.(vcpu, body);
  else visitor.vcpuMsrs?.(vcpu, body);
};

const checkSize = (
  { cursor }: RestoreState,
  { type, name, length }: StreamRecord,
  size: number,
  width: number,
): void => {
  const head = stream_xc_vcpu_hdr.size;
  const context = width === 8 ? vcpu_guest_context.size : CONTEXT_SIZE_32;
  if (type === XC_REC_TYPE_X86_PV_VCPU_BASIC) {
    if (size !== context) {
      throw cursor.error(`${name} record wrong size`, `length ${head + context}`, `${length}`);
    }
  } else if (type === XC_REC_TYPE_X86_PV_VCPU_EXTENDED) {
    if (size > EXTENDED_MAX) {
      const expected = `length of at most ${head + EXTENDED_MAX}`;
      throw cursor.error(`${name} record too long`, expected, `${length}`);
    }
  } else if (type === XC_REC_TYPE_X86_PV_VCPU_XSAVE) {
    if (size < stream_xsave_hdr.size) {
      const expected = `length of at least ${head + stream_xsave_hdr.size}`;
      throw cursor.error(`${name} record too short`, expected, `${length}`);
    }
  } else if (size % MSR_ENTRY_SIZE !== 0) {
    const expected = `a multiple of ${MSR_ENTRY_SIZE} after the header`;
    throw cursor.error(`${name} record payload size ${size}`, expected, `${size}`);
  }
  if (size > BODY_MAX) {
    throw cursor.error(`${name} record too long`, `at most ${BODY_MAX}`, `${length}`);
  }
};
