import {
  XC_REC_TYPE_CHECKPOINT,
  XC_REC_TYPE_CHECKPOINT_DIRTY_PFN_LIST,
  XC_REC_TYPE_HVM_CONTEXT,
  XC_REC_TYPE_HVM_PARAMS,
  XC_REC_TYPE_SHARED_INFO,
  XC_REC_TYPE_TOOLSTACK,
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
import { describe, expect, test } from 'vitest';
import { concat, readImage, words } from './bytes.ts';
import {
  ascii,
  libxc,
  libxcHeaders,
  NAMES,
  PAGE,
  RECORDS,
  record,
  replaced,
  vcpu,
} from './raw-image.ts';

const NOTHING = new Uint8Array(0);

const records: {
  title: string;
  image: Uint8Array;
  words: string;
}[] = [];
const refuse = (title: string, image: Uint8Array, words: string) =>
  records.push({ title, image, words });

test('MIG-9: every record is told where it lies', () => {
  const seen: string[] = [];
  readImage(replaced({}), {
    record: ({ layer, name, type, offset, length }) =>
      seen.push(`${layer} ${type} ${name} ${offset} ${length}`),
  });
  expect(seen).toEqual([
    'libxc 2 X86_PV_INFO 40 8',
    'libxc 17 X86_CPUID_POLICY 56 48',
    'libxc 18 X86_MSR_POLICY 112 16',
    'libxc 16 STATIC_DATA_END 136 0',
    'libxc 3 X86_PV_P2M_FRAMES 144 16',
    'libxc 1 PAGE_DATA 168 12336',
    'libxc 8 X86_TSC_INFO 12512 24',
    'libxc 7 SHARED_INFO 12544 4096',
    'libxc 4 X86_PV_VCPU_BASIC 16648 5176',
    'libxc 5 X86_PV_VCPU_EXTENDED 21832 72',
    'libxc 6 X86_PV_VCPU_XSAVE 21912 600',
    'libxc 12 X86_PV_VCPU_MSRS 22520 24',
    'libxc 0 END 22552 0',
  ]);
});

test('MIG-9: padding may hold anything, and bodies where none belong are passed over', () => {
  const dirty = concat([words(XC_REC_TYPE_X86_PV_INFO, 9), ascii('\x08\x04......x~~~~~~~')]);
  const end = record(0, ascii('more'));
  expect(readImage(replaced({ X86_PV_INFO: [dirty], END: [end] })).pages).toBe(3);
});

refuse(
  'MIG-9: a record of more than 128 MiB',
  replaced({ END: [record(0, NOTHING, 0x8000001)] }),
  'Record (0x00000000, END) length exceeds max: expected at most 134217728, found 134217729 (offset 22552, record END)',
);

test('MIG-10: an unknown optional record is told and passed over, read or not', () => {
  const unknown = record(0x80000042 | 0, ascii('abcdefghijk'));
  const image = replaced({ SHARED_INFO: ['SHARED_INFO', unknown], END: [unknown, 'END'] });
  const seen: unknown[] = [];
  readImage(image, {
    unknownOptional: ({ type, length, offset }, readBody) => {
      const bytes = new Uint8Array(4);
      readBody(bytes);
      seen.push(type, length, offset, Buffer.from(bytes).toString());
      expect(() => readBody(new Uint8Array(8))).toThrow('expected room for at most 7 bytes');
    },
  });
  expect(seen).toEqual([0x80000042, 11, 16648, 'abcd', 0x80000042, 11, 22576, 'abcd']);
  expect(readImage(image).pages).toBe(3);
});

test('MIG-10: its body cannot be read later', () => {
  let late = (_: Uint8Array) => {};
  readImage(replaced({ END: [record(0x80000042 | 0, ascii('abc')), 'END'] }), {
    unknownOptional: (_, readBody) => {
      late = readBody;
    },
  });
  expect(() => late(new Uint8Array(1))).toThrow('expected room for at most 0 bytes, found 1');
});

for (const [type, name] of [
  [XC_REC_TYPE_HVM_CONTEXT, 'HVM_CONTEXT'],
  [XC_REC_TYPE_HVM_PARAMS, 'HVM_PARAMS'],
  [XC_REC_TYPE_TOOLSTACK, 'TOOLSTACK'],
  [XC_REC_TYPE_CHECKPOINT_DIRTY_PFN_LIST, 'CHECKPOINT_DIRTY_PFN_LIST'],
  [0x42, '0x00000042'],
] as const) {
  refuse(
    `MIG-10: ${name}`,
    replaced({ END: [record(type, NOTHING), 'END'] }),
    `Mandatory record 0x${type.toString(16)} (${name}) not handled`,
  );
}
refuse(
  'MIG-10: CHECKPOINT',
  replaced({ END: [record(XC_REC_TYPE_CHECKPOINT, NOTHING), 'END'] }),
  'Found checkpoint in non-checkpointed stream',
);

const info = (...bytes: number[]) => record(XC_REC_TYPE_X86_PV_INFO, Uint8Array.from(bytes));
refuse(
  'MIG-11: a second X86_PV_INFO',
  replaced({ END: ['X86_PV_INFO', 'END'] }),
  'Already received X86_PV_INFO record',
);
refuse(
  'MIG-11: a short one',
  replaced({ X86_PV_INFO: [info(8, 4)] }),
  'X86_PV_INFO record truncated',
);
for (const [width, levels] of [
  [8, 3],
  [4, 4],
  [0, 0],
] as const) {
  refuse(
    `MIG-11: width ${width}, levels ${levels}`,
    replaced({ X86_PV_INFO: [info(width, levels, 0, 0, 0, 0, 0, 0)] }),
    `Invalid X86_PV_INFO combination: expected 8, 4 or 4, 3, found width ${width}, pt_levels ${levels}`,
  );
}
for (const name of ['X86_PV_P2M_FRAMES', 'SHARED_INFO', 'X86_PV_VCPU_BASIC'] as const) {
  refuse(
    `MIG-11: ${name} before X86_PV_INFO`,
    libxc(['STATIC_DATA_END', name, ...NAMES]),
    'Not yet received X86_PV_INFO record',
  );
}
const compat = replaced({
  X86_PV_INFO: [info(4, 3, 0, 0, 0, 0, 0, 0)],
  X86_PV_VCPU_BASIC: [record(XC_REC_TYPE_X86_PV_VCPU_BASIC, vcpu(0, 2800))],
});
refuse('MIG-11: a 32-bit guest, unless asked for', compat, 'Image of a 32-bit guest');
test('MIG-11: a 32-bit guest is read when asked for', () => {
  expect(readImage(compat, {}, { compat: true }).guest_width).toBe(4);
});

describe('MIG-12: policies', () => {
  test.each([
    [{}, 0],
    [{ X86_CPUID_POLICY: [] }, 1],
    [{ X86_MSR_POLICY: [] }, 2],
    [{ X86_CPUID_POLICY: [], X86_MSR_POLICY: [] }, 3],
    [{ X86_MSR_POLICY: [], END: ['X86_MSR_POLICY', 'END'] as const }, 2],
  ])('%#: those that have not come by STATIC_DATA_END are missing', (changes, missing) => {
    const seen: unknown[] = [];
    const summary = readImage(replaced(changes), {
      staticDataEnd: (...rest) => seen.push(...rest),
    });
    expect(seen).toEqual([missing, false]);
    expect(summary.missing).toBe(missing);
  });

  test('are told, however often and late they come', () => {
    const seen: number[] = [];
    readImage(replaced({ END: ['X86_CPUID_POLICY', 'X86_MSR_POLICY', 'END'] }), {
      cpuidPolicy: (leaves) => seen.push(leaves.length),
      msrPolicy: (entries) => seen.push(entries.length),
    });
    expect(seen).toEqual([48, 16, 48, 16]);
  });
});
for (const [name, type, size] of [
  ['X86_CPUID_POLICY', XC_REC_TYPE_X86_CPUID_POLICY, 24],
  ['X86_MSR_POLICY', XC_REC_TYPE_X86_MSR_POLICY, 16],
] as const) {
  for (const length of [0, size - 1, size + 8]) {
    refuse(
      `MIG-12: ${name} of ${length} bytes`,
      replaced({ [name]: [record(type, new Uint8Array(length))] }),
      `${name} record wrong size: expected a multiple of ${size}, found ${length}`,
    );
  }
  refuse(
    `MIG-22: ${name} of 96 MiB`,
    replaced({ [name]: [record(type, NOTHING, 96 * 1024 * 1024)] }),
    `${name} record too long: expected at most 1048576`,
  );
}

for (const name of ['X86_PV_P2M_FRAMES', 'PAGE_DATA'] as const) {
  refuse(
    `MIG-13: ${name} without STATIC_DATA_END in version 3`,
    libxc(['X86_PV_INFO', name, ...NAMES]),
    'No STATIC_DATA_END seen',
  );
}
refuse(
  'MIG-13: a second STATIC_DATA_END',
  replaced({ END: ['STATIC_DATA_END', 'END'] }),
  'Multiple STATIC_DATA_END records found',
);
test('MIG-13: in version 2 it is implied before the first record about memory', () => {
  const seen: string[] = [];
  const image = replaced(
    { X86_CPUID_POLICY: [], X86_MSR_POLICY: [], STATIC_DATA_END: [] },
    libxcHeaders({ version: 2 }),
  );
  const summary = readImage(image, {
    pvInfo: () => seen.push('info'),
    staticDataEnd: (missing, implied) => seen.push(`end ${missing} ${implied}`),
    p2mFrames: () => seen.push('p2m'),
  });
  expect(seen).toEqual(['info', 'end 3 true', 'p2m']);
  expect(summary).toMatchObject({ version: 2, missing: 3 });
});
refuse(
  'MIG-13: in version 2 it cannot come after that either',
  replaced({ STATIC_DATA_END: [], END: ['STATIC_DATA_END', 'END'] }, libxcHeaders({ version: 2 })),
  'Multiple STATIC_DATA_END records found',
);

const p2m = (body: Uint8Array, length = body.length) =>
  record(XC_REC_TYPE_X86_PV_P2M_FRAMES, body, length);
const withP2m = (...bodies: Uint8Array[]) =>
  replaced({ X86_PV_P2M_FRAMES: bodies.map((body) => p2m(body)) });
refuse('MIG-14: a short P2M_FRAMES', withP2m(words(0)), 'X86_PV_P2M_FRAMES record truncated');
refuse(
  'MIG-14: an end before its start',
  withP2m(words(16, 15, 9, 0)),
  'X86_PV_P2M_FRAMES record has its end before its start',
);
refuse(
  'MIG-14: an entry missing',
  withP2m(words(0, 512, 9, 0)),
  'X86_PV_P2M_FRAMES record wrong size: expected length 24 for start_pfn 0x0, end_pfn 0x200, found 16',
);
refuse(
  'MIG-14: an entry too many',
  withP2m(words(0, 511, 9, 0, 9, 0)),
  'X86_PV_P2M_FRAMES record wrong size',
);
refuse(
  'MIG-14: a frame past the end',
  withP2m(words(0, 15, 16, 0)),
  'pfn (0x10) for p2m_frame_list[0] out of range: expected at most 0xf, found 0x10',
);
refuse(
  'MIG-14: a frame of 64 bits',
  withP2m(words(0, 15, 9, 1)),
  'pfn (0x100000009) for p2m_frame_list[0] out of range',
);
refuse('MIG-14: all ones for a frame', withP2m(words(0, 15, -1, -1)), 'pfn (0xffffffffffffffff)');
refuse(
  'MIG-14: pages of the P2M that nothing names',
  withP2m(words(1024, 1030, 9, 0)),
  'pfn for p2m_frame_list[0] out of range: expected X86_PV_P2M_FRAMES to name it',
);
refuse(
  'MIG-14: none at all',
  replaced({ X86_PV_P2M_FRAMES: [], PAGE_DATA: [] }),
  'Stream without memory',
);
refuse(
  'MIG-22: more pfns than the reader takes',
  replaced({ X86_PV_P2M_FRAMES: [p2m(words(0, 2 ** 27), 8 + 8 * (2 ** 18 + 1))] }),
  'X86_PV_P2M_FRAMES record too large: expected end_pfn of at most 0x7ffffff, found 0x8000000',
);
test('MIG-14: a later record may make the domain larger', () => {
  const seen: unknown[] = [];
  const summary = readImage(withP2m(words(0, 15, 9, 0), words(512, 1023, 600, 0)), {
    p2mFrames: ({ startPfn, endPfn, pfns }) => seen.push([startPfn, endPfn, [...pfns]]),
  });
  expect(seen).toEqual([
    [0, 15, [9]],
    [512, 1023, [600]],
  ]);
  expect(summary.maxPfn).toBe(1023);
});
test.each([511, 512, 513, 1023, 1024])('MIG-14: a P2M of %i pfns and one', (endPfn) => {
  const count = Math.floor(endPfn / 512) + 1;
  const body = words(0, endPfn, ...Array.from({ length: count }, (_, i) => [9 + i, 0]).flat());
  expect(readImage(withP2m(body)).maxPfn).toBe(endPfn);
});
test('MIG-22: a caller may take less', () => {
  const read = () => readImage(replaced({}), {}, { maxPfn: 14 });
  expect(read).toThrow('expected end_pfn of at most 0xe, found 0xf');
  expect(() => readImage(replaced({}), {}, { maxPfn: 2 ** 31 })).toThrow(RangeError);
});

test('MIG-18: SHARED_INFO and TSC_INFO are told; a stream may do without', () => {
  const seen: unknown[] = [];
  readImage(replaced({}), {
    sharedInfo: (page) => seen.push(page.length),
    tscInfo: (tsc) => seen.push(tsc),
  });
  expect(seen).toEqual([{ mode: 0, khz: 2400000, nsec: 123456n, incarnation: 7 }, 4096]);
  expect(readImage(replaced({ SHARED_INFO: [], X86_TSC_INFO: [] })).pages).toBe(3);
});
for (const size of [0, PAGE - 8, PAGE + 8]) {
  refuse(
    `MIG-18: SHARED_INFO of ${size} bytes`,
    replaced({ SHARED_INFO: [record(XC_REC_TYPE_SHARED_INFO, new Uint8Array(size))] }),
    `SHARED_INFO record wrong size: expected length 4096, found ${size}`,
  );
}
refuse(
  'MIG-18: TSC_INFO of 16 bytes',
  replaced({ X86_TSC_INFO: [record(XC_REC_TYPE_X86_TSC_INFO, new Uint8Array(16))] }),
  'X86_TSC_INFO record wrong size: expected length 24, found 16',
);

const KINDS = {
  X86_PV_VCPU_BASIC: XC_REC_TYPE_X86_PV_VCPU_BASIC,
  X86_PV_VCPU_EXTENDED: XC_REC_TYPE_X86_PV_VCPU_EXTENDED,
  X86_PV_VCPU_XSAVE: XC_REC_TYPE_X86_PV_VCPU_XSAVE,
  X86_PV_VCPU_MSRS: XC_REC_TYPE_X86_PV_VCPU_MSRS,
} as const;
test('MIG-19: vCPU records are told, of each vCPU, in any order, however often', () => {
  const seen: unknown[] = [];
  const more = Object.values(KINDS).map((type, i) =>
    record(type, vcpu(1, [5168, 128, 16, 32][i] ?? 0)),
  );
  const summary = readImage(replaced({ END: [...more.reverse(), 'X86_PV_VCPU_XSAVE', 'END'] }), {
    vcpuBasic: (id, bytes) => seen.push(['basic', id, bytes.length]),
    vcpuExtended: (id, bytes) => seen.push(['extended', id, bytes.length]),
    vcpuXsave: (id, bytes) => seen.push(['xsave', id, bytes.length]),
    vcpuMsrs: (id, bytes) => seen.push(['msrs', id, bytes.length]),
  });
  expect(seen).toEqual([
    ['basic', 0, 5168],
    ['extended', 0, 64],
    ['xsave', 0, 592],
    ['msrs', 0, 16],
    ['msrs', 1, 32],
    ['xsave', 1, 16],
    ['extended', 1, 128],
    ['basic', 1, 5168],
    ['xsave', 0, 592],
  ]);
  expect(summary.vcpus).toEqual([0, 1]);
});
test('MIG-19: a record with nothing after its header means nothing, whatever the vCPU', () => {
  const empty = Object.values(KINDS).map((type) => record(type, vcpu(0x7fffffff, 0)));
  const seen: number[] = [];
  const note = (id: number) => seen.push(id);
  readImage(replaced({ END: [...empty, 'END'] }), {
    vcpuBasic: note,
    vcpuExtended: note,
    vcpuXsave: note,
    vcpuMsrs: note,
  });
  expect(seen).toEqual([0, 0, 0, 0]);
});
for (const [name, size, words] of [
  ['X86_PV_VCPU_BASIC', 5160, 'record wrong size: expected length 5176, found 5168'],
  ['X86_PV_VCPU_BASIC', 5176, 'record wrong size: expected length 5176, found 5184'],
  ['X86_PV_VCPU_EXTENDED', 129, 'record too long: expected length of at most 136, found 137'],
  ['X86_PV_VCPU_XSAVE', 15, 'record too short: expected length of at least 24, found 23'],
  ['X86_PV_VCPU_MSRS', 24, 'record payload size 24: expected a multiple of 16'],
] as const) {
  refuse(
    `MIG-19: ${name} of ${size} bytes`,
    replaced({ [name]: [record(KINDS[name], vcpu(0, size))] }),
    `${name} ${words}`,
  );
}
refuse(
  'MIG-19: half a header',
  replaced({ X86_PV_VCPU_MSRS: [record(XC_REC_TYPE_X86_PV_VCPU_MSRS, words(0))] }),
  'X86_PV_VCPU_MSRS record truncated: expected length of at least 8, found 4',
);
refuse(
  'MIG-22: an XSAVE area of 128 MiB',
  replaced({
    X86_PV_VCPU_XSAVE: [record(XC_REC_TYPE_X86_PV_VCPU_XSAVE, vcpu(0, 0), 128 * 1024 * 1024)],
  }),
  'X86_PV_VCPU_XSAVE record too long: expected at most 1048576',
);
refuse(
  'MIG-19: a vCPU that no Xen has',
  replaced({ END: [record(XC_REC_TYPE_X86_PV_VCPU_MSRS, vcpu(8192, 16)), 'END'] }),
  'X86_PV_VCPU_MSRS record vcpu_id (8192) exceeds domain max (8191)',
);
test('MIG-19: the domain made from the configuration has fewer vCPUs still', () => {
  const image = replaced({ END: [record(XC_REC_TYPE_X86_PV_VCPU_MSRS, vcpu(2, 16)), 'END'] });
  expect(readImage(image, {}, { maxVcpuId: () => 2 }).vcpus).toEqual([0]);
  expect(() => readImage(image, {}, { maxVcpuId: () => 1 })).toThrow(
    'record vcpu_id (2) exceeds domain max (1)',
  );
});

refuse(
  'MIG-20: a stream of END alone',
  libxc(['END']),
  "Sender didn't send vcpu0's basic state: expected X86_PV_VCPU_BASIC of vcpu 0 before END, found none (offset 40, record END)",
);
refuse(
  'MIG-20: vCPU 1 without vCPU 0',
  replaced({ X86_PV_VCPU_BASIC: [record(XC_REC_TYPE_X86_PV_VCPU_BASIC, vcpu(1, 5168))] }),
  "Sender didn't send vcpu0's basic state",
);
test('MIG-20: the end is told once, when all is there', () => {
  const seen: string[] = [];
  readImage(replaced({}), { end: () => seen.push('end'), vcpuMsrs: () => seen.push('msrs') });
  expect(seen).toEqual(['msrs', 'end']);
});

test('MIG-21: after VERIFY pages are marked for comparison', () => {
  const seen: unknown[] = [];
  const verify = record(XC_REC_TYPE_VERIFY, NOTHING);
  readImage(replaced({ X86_TSC_INFO: [verify, 'PAGE_DATA', 'X86_TSC_INFO'] }), {
    verify: () => seen.push('verify'),
    pageData: (data) => seen.push(data.verify),
  });
  expect(seen).toEqual([false, 'verify', true]);
});

test.each(records)('$title is refused', ({ image, words }) => {
  expect(() => readImage(image, {})).toThrow(words);
});

test('the domain that the others are changed from is good', () => {
  expect(readImage(libxc(NAMES)).records).toBe(Object.keys(RECORDS).length);
});
