import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { domu, scratch } from '../domu.ts';
import { CONFIG, tinyImage } from './tiny-image.ts';

const path = scratch();

test('a domain that may have more memory than a host can have is no bug', () => {
  const file = path('large.save');
  const b_info = { ...CONFIG.b_info, max_memkb: 512 * 2 ** 20 };
  writeFileSync(file, tinyImage('xl', { config: JSON.stringify({ ...CONFIG, b_info }) }));
  expect(domu('image', 'verify', file).status).toBe(0);
  // Its kernel is not ours.
  const { status, stderr } = domu('restore', file);
  expect(stderr).toMatch(/domu: the domain was saved under another kernel, .*\n$/);
  expect(status).toBe(1);
});
