import { describe, expect, test } from 'vitest';
import { verifyImage } from '../src/verify-image.ts';
import { fileOf } from './host.ts';
import { smallImage } from './small-image.ts';

describe('a good image', () => {
  test.each(['xl', 'libxl', 'libxc'] as const)('RST-1: %s is taken', (kind) => {
    const verdict = verifyImage(fileOf(smallImage(kind)));
    expect(verdict.refusal).toBeUndefined();
    expect(verdict.warnings).toEqual([]);
    expect(verdict.summary).toMatchObject({ kind, maxPfn: 599, vcpus: [0] });
  });
});
