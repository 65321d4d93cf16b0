import { expect, test } from 'vitest';
import { sample, sourceOf } from './bytes.ts';
import { rewrite } from './rewrite.ts';

test.each(['genuine-xen-4.17.libxc', 'hand-made.xl'])(
  'MIG-34: %s, read and written again, is the same byte for byte',
  (name) => {
    const original = sample(name);
    const { bytes } = rewrite(sourceOf(original));
    expect(bytes.length).toBe(original.length);
    expect(Buffer.compare(bytes, original)).toBe(0);
  },
);

test('MIG-34: so it is when the source gives seven bytes at a time', () => {
  const original = sample('hand-made.xl');
  const { bytes } = rewrite(sourceOf(original, 7));
  expect(Buffer.compare(bytes, original)).toBe(0);
});

test('MIG-1: the summary says what was in them', () => {
  const common = {
    version: 3,
    xen_major: 4,
    xen_minor: 17,
    guest_width: 8,
    maxPfn: 15,
    missing: 0,
    pages: 15,
    vcpus: [0],
  };
  expect(rewrite(sourceOf(sample('genuine-xen-4.17.libxc'))).summary).toEqual({
    kind: 'libxc',
    size: 71888,
    records: 13,
    ...common,
  });
  expect(rewrite(sourceOf(sample('hand-made.xl'))).summary).toEqual({
    kind: 'xl',
    size: 72382,
    records: 14,
    ...common,
  });
});
