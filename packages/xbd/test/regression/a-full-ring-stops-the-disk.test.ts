/*
 * A guest that had every slot of the ring out at once waited for ever the next time: the back end, its ring full, had gone
 * without asking for an event.
 */
import { MODES } from '@tooling/guest-testbed';
import { expect, test } from 'vitest';
import { DiskGuest } from '../disk-guest.ts';

const SLOTS = 32;

test.each(MODES)('a ring that was full is served when it is full again (%s)', (_, options) => {
  const guest = new DiskGuest(options);
  for (let round = 0; round < 3; round++) {
    expect(guest.call('probe_reads', SLOTS, 512)).toBe(SLOTS * 512);
  }
});
