import * as kern from '@port-xen/kern';
import * as netinet from '@port-xen/netinet';
import { expect, test } from 'vitest';
import { strerror } from '../src/programs/strerror.ts';

test('every error that the kernel gives has a sentence, not a number', () => {
  const named = Object.entries({ ...kern, ...netinet }).filter(
    ([name, value]) => /^E[A-Z0-9]{2,}$/.test(name) && typeof value === 'number' && value < 100,
  );
  expect(named.length).toBeGreaterThan(35);
  for (const [name, errno] of named) {
    expect([name, strerror(errno as number)]).not.toEqual([
      name,
      expect.stringMatching(/^Un(?:known|defined) error/),
    ]);
  }
  expect(strerror(kern.ENOSPC)).toBe('No space left on device');
  expect(strerror(netinet.EHOSTDOWN)).toBe('Host is down');
  expect(strerror(200)).toBe('Unknown error: 200');
});
