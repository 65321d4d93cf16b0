import { expect, test } from 'vitest';
import { checkLayers, type PackagePlace } from '../src/check.ts';

const hypervisor: PackagePlace = {
  name: '@port-xen/hypervisor',
  tag: 'xen',
  dependencies: [],
  sources: {},
};
const guest = (dependencies: string[], text: string): PackagePlace => ({
  name: '@port-xen/evtchn',
  tag: 'guest3',
  dependencies,
  sources: { 'src/evtchn.ts': text },
});

test('a guest package that depends on a Xen package is told', () => {
  expect(checkLayers([hypervisor, guest(['@port-xen/hypervisor'], '')])).toEqual([
    '@port-xen/evtchn (guest3) depends on @port-xen/hypervisor (xen): expected one of floor0, floor1, kern, guest3',
  ]);
});

test('sources that import what only tests may use are told', () => {
  const text = "import { createHost } from '@tooling/testbed';\nimport { x } from 'node:fs';";
  expect(checkLayers([guest([], text)])).toEqual([
    'src/evtchn.ts imports @tooling/testbed, which is no dependency of @port-xen/evtchn',
    'src/evtchn.ts imports node:fs, which is no dependency of @port-xen/evtchn',
  ]);
});

test.each(['let last = 0;', 'const open = new Map<number, string>();', 'export let x;'])(
  'a guest package that keeps state at module level is told: %s',
  (text) => {
    expect(checkLayers([guest([], text)])).toEqual([
      `src/evtchn.ts:1 keeps state outside the guest's memory: ${text}`,
    ]);
  },
);

test('a table of constants is no state', () => {
  expect(checkLayers([guest([], 'const ODD: ReadonlySet<number> = new Set([1]);')])).toEqual([]);
});
