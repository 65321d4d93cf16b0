import { MODES } from '@tooling/guest-testbed';
import { describe, expect, test } from 'vitest';
import { ControlledGuest } from './controller.ts';
import { probeImage } from './probe.ts';
import { ROWS } from './rows.ts';

const image = probeImage();

describe.each(MODES)('%s', (_, options) => {
  test.each(ROWS)('$name', ({ see, right }) => {
    expect(see(new ControlledGuest(image, options))).toEqual(right);
  });
});

describe('without the step', () => {
  test.each(ROWS)('it is so. $name', ({ see, wrong, lacking }) => {
    expect(see(new ControlledGuest(probeImage(lacking)))).toEqual(wrong);
  });
});
