/*
 * A libxc stream: two headers, then records { type u32, length u32, body, padding to 8 } up to END, taken as
 * xc_domain_restore takes them. Which may come when is decided by what has come before (RestoreState); each
 * record's function reads its body and tells the visitor, and what it leaves of the body is passed over.
 */
import {
  stream_record_header,
  stream_xc_tsc_info,
  XC_REC_LENGTH_MAX,
  XC_REC_TYPE_CHECKPOINT,
  XC_REC_TYPE_END,
  XC_REC_TYPE_OPTIONAL,
  XC_REC_TYPE_PAGE_DATA,
  XC_REC_TYPE_SHARED_INFO,
  XC_REC_TYPE_STATIC_DATA_END,
  XC_REC_TYPE_VERIFY,
  XC_REC_TYPE_X86_CPUID_POLICY,
  XC_REC_TYPE_X86_MSR_POLICY,
  XC_REC_TYPE_X86_PV_INFO,
  XC_REC_TYPE_X86_PV_P2M_FRAMES,
  XC_REC_TYPE_X86_PV_VCPU_BASIC,
  XC_REC_TYPE_X86_PV_VCPU_EXTENDED,
  XC_REC_TYPE_X86_PV_VCPU_MSRS,
  XC_REC_TYPE_X86_PV_VCPU_XSAVE,
  XC_REC_TYPE_X86_TSC_INFO,
} from '@port-xen/abi';
import { readP2mFrames, requireP2mFrames } from './p2m-frames.ts';
import { PageDataReader } from './page-data.ts';
import { PAGE_SIZE } from './page-type.ts';
import { libxcRecordName } from './record-name.ts';
import type { RestoreState, StreamRecord } from './restore-state.ts';
import {
  readCpuidPolicy,
  readMsrPolicy,
  readPvInfo,
  readStaticDataEnd,
  requirePvInfo,
} from './static-records.ts';
import { readVcpu } from './vcpu-record.ts';

/** Reads libxc's records, END included. */
export const readLibxcRecords = (state: RestoreState): void => {
  const { cursor } = state;
  const readers = readersOf(state);
  let record: StreamRecord;
  do {
    record = readRecordHeader(state);
    const end = cursor.offset + Math.ceil(record.length / 8) * 8;
    const read = readers.get(record.type);
    if (read === undefined) readOther(state, record);
    else read(record);
    cursor.skip(end - cursor.offset, record.name);
    cursor.leaveRecord();
  } while (record.type !== XC_REC_TYPE_END);
};

const readRecordHeader = (state: RestoreState): StreamRecord => {
  const { cursor } = state;
  const offset = cursor.offset;
  cursor.take(stream_record_header.size, "a libxc record's header");
  const { type, length } = stream_record_header.at(cursor.memory, 0);
  const name = libxcRecordName(type);
  cursor.enterRecord(name, offset, length);
  if (length > XC_REC_LENGTH_MAX) {
    const words = `Record (0x${type.toString(16).padStart(8, '0')}, ${name}) length exceeds max`;
    throw cursor.error(words, `at most ${XC_REC_LENGTH_MAX}`, `${length}`);
  }
  state.records++;
  state.visitor.record?.({ layer: 'libxc', type, name, offset, length });
  return { type, name, length };
};

const readersOf = (state: RestoreState): ReadonlyMap<number, (record: StreamRecord) => void> => {
  const pages = new PageDataReader(state);
  return new Map<number, (record: StreamRecord) => void>([
    [XC_REC_TYPE_END, () => readEnd(state)],
    [XC_REC_TYPE_PAGE_DATA, (record) => pages.read(record)],
    [XC_REC_TYPE_X86_PV_INFO, (record) => readPvInfo(state, record)],
    [XC_REC_TYPE_X86_PV_P2M_FRAMES, (record) => readP2mFrames(state, record)],
    [XC_REC_TYPE_X86_PV_VCPU_BASIC, (record) => readVcpu(state, record)],
    [XC_REC_TYPE_X86_PV_VCPU_EXTENDED, (record) => readVcpu(state, record)],
    [XC_REC_TYPE_X86_PV_VCPU_XSAVE, (record) => readVcpu(state, record)],
    [XC_REC_TYPE_X86_PV_VCPU_MSRS, (record) => readVcpu(state, record)],
    [XC_REC_TYPE_SHARED_INFO, (record) => readSharedInfo(state, record)],
    [XC_REC_TYPE_X86_TSC_INFO, (record) => readTscInfo(state, record)],
    [XC_REC_TYPE_VERIFY, () => readVerify(state)],
    [XC_REC_TYPE_CHECKPOINT, () => refuseCheckpoint(state)],
    [XC_REC_TYPE_STATIC_DATA_END, () => readStaticDataEnd(state)],
    [XC_REC_TYPE_X86_CPUID_POLICY, (record) => readCpuidPolicy(state, record)],
    [XC_REC_TYPE_X86_MSR_POLICY, (record) => readMsrPolicy(state, record)],
  ]);
};

const readOther = (state: RestoreState, { type, name, length }: StreamRecord): void => {
  const { cursor, visitor } = state;
  if (type < XC_REC_TYPE_OPTIONAL) {
    const words = `Mandatory record 0x${type.toString(16)} (${name}) not handled`;
    throw cursor.error(words, 'a record of a PV domain', name);
  }
  let left = length;
  visitor.unknownOptional?.({ type, length, offset: cursor.recordOffset }, (into) => {
    if (into.length > left) {
      throw new RangeError(`expected room for at most ${left} bytes, found ${into.length}`);
    }
    left -= into.length;
    cursor.fill(into, name);
  });
  cursor.skip(left, name);
  left = 0;
};

const readSharedInfo = (state: RestoreState, { name, length }: StreamRecord): void => {
  requirePvInfo(state);
  if (length !== PAGE_SIZE) {
    throw state.cursor.error(`${name} record wrong size`, `length ${PAGE_SIZE}`, `${length}`);
  }
  state.visitor.sharedInfo?.(state.cursor.body(length, name));
};

const readTscInfo = ({ cursor, visitor }: RestoreState, { name, length }: StreamRecord): void => {
  const size = stream_xc_tsc_info.size;
  if (length !== size) {
    throw cursor.error(`${name} record wrong size`, `length ${size}`, `${length}`);
  }
  cursor.take(size, name);
  const { memory } = cursor;
  const { mode, khz, incarnation } = stream_xc_tsc_info.at(memory, 0);
  const [low, high] = [0, 4].map((at) => memory.ld32(stream_xc_tsc_info.offset.nsec + at) >>> 0);
  const nsec = (BigInt(high as number) << 32n) | BigInt(low as number);
  visitor.tscInfo?.({ mode, khz, nsec, incarnation });
};

const readVerify = (state: RestoreState): void => {
  state.verify = true;
  state.visitor.verify?.();
};

const refuseCheckpoint = ({ cursor }: RestoreState): void => {
  const words = 'Found checkpoint in non-checkpointed stream';
  throw cursor.error(words, 'a stream with one state', 'CHECKPOINT');
};

const readEnd = (state: RestoreState): void => {
  if (!state.vcpus.has(0)) {
    const words = "Sender didn't send vcpu0's basic state";
    throw state.cursor.error(words, 'X86_PV_VCPU_BASIC of vcpu 0 before END', 'none');
  }
  requireP2mFrames(state);
  state.visitor.end?.();
};
