import * as abi from '@port-xen/abi';
import { struct, u8, u32, u64 } from '@port-xen/layout';
import { debianPackage } from '@tooling/peers';
import { beforeAll, expect, test } from 'vitest';
import { DOCUMENTED_CONSTANTS, DOCUMENTED_STRUCTS, exportsOf, probe } from '../src/index.ts';

beforeAll(() => {
  debianPackage('libxen-dev', '/usr/include/xen/xen.h');
  debianPackage('gcc', '/usr/bin/gcc');
}, 300_000);

const { headers, documents } = exportsOf(abi);

test('ABI-1: every struct and constant is what a C compiler makes of the headers', () => {
  expect(Object.keys(headers.structs).length).toBeGreaterThan(120);
  expect(Object.keys(headers.constants).length).toBeGreaterThan(900);
  expect(probe(headers)).toEqual([]);
}, 120_000);

test('ABI-2: what only documents declare is what they say', () => {
  expect(Object.keys(documents.structs).sort()).toEqual(Object.keys(DOCUMENTED_STRUCTS).sort());
  for (const [name, [size, offsets]] of Object.entries(DOCUMENTED_STRUCTS)) {
    expect([name, documents.structs[name]?.size]).toEqual([name, size]);
    expect([name, documents.structs[name]?.offset]).toEqual([name, offsets]);
  }
  expect(documents.constants).toEqual(DOCUMENTED_CONSTANTS);
});

test('ABI-3: the probe sees a wrong offset, size, sign, constant and name', () => {
  const wrong = {
    structs: {
      evtchn_send: struct('evtchn_send', { port: u64 }),
      evtchn_unmask: struct('evtchn_unmask', { pad: u32, port: u32 }),
      sched_pin_override: struct('sched_pin_override', { pcpu: u32 }),
      evtchn_close: struct('evtchn_close', { port: u32 }),
    },
    constants: { EVTCHNOP_send: 5 },
  };
  const unknownField = probe(wrong);
  expect(unknownField).toContain("pad: expected in Xen's headers, not found");
  const { evtchn_unmask: _, ...known } = wrong.structs;
  expect(probe({ ...wrong, structs: known })).toEqual([
    'size evtchn_send: expected 4 (C), found 8 (abi)',
    'field evtchn_send.port: expected 0 4 u (C), found 0 8 u (abi)',
    'field sched_pin_override.pcpu: expected 0 4 i (C), found 0 4 u (abi)',
    'constant EVTCHNOP_send: expected 4 (C), found 5 (abi)',
  ]);
  const moved = { evtchn_status: struct('evtchn_status', { dom: u8, port: u8 }) };
  expect(probe({ structs: moved, constants: {} })).toContain(
    'field evtchn_status.port: expected 4 4 u (C), found 1 1 u (abi)',
  );
  expect(probe({ structs: {}, constants: { EVTCHNOP_whisper: 1 } })).toEqual([
    "EVTCHNOP_whisper: expected in Xen's headers, not found",
  ]);
}, 120_000);
