import { MODES, TestGuest, type TestGuestOptions } from '@tooling/guest-testbed';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { XENGNT_NO_ENTRY, XENGNT_NO_FRAME } from '../src/index.ts';
import { image } from './probe.ts';

const PER_FRAME = 512;
const RESERVED = 9;

const boot = (options: TestGuestOptions) => new TestGuest(image, options);

/** The save file as a host that allows other numbers of frames would have it: the digit in its configuration. */
const withMaxFrames = (file: Uint8Array, from: string, to: string): Uint8Array => {
  const at = Buffer.from(file).indexOf(`"max_grant_frames": ${from}`);
  const copy = file.slice();
  copy.set(Buffer.from(to), at + '"max_grant_frames": '.length);
  return copy;
};

describe.each(MODES)('%s', (_, options) => {
  test('GNT-1: the reserved references are never given out', () => {
    const guest = boot(options);
    expect(guest.call('probe_grant', 0, 0)).toBe(RESERVED);
    expect(guest.call('probe_take', PER_FRAME - RESERVED - 1)).toBe(PER_FRAME - RESERVED - 1);
    for (let ref = 2; ref < RESERVED; ref++) expect(guest.call('probe_entry', ref)).toBe(0);
  });

  test('GNT-2: a reference that is given back twice is a panic', () => {
    const guest = boot(options);
    const ref = guest.call('probe_grant', 0, 0);
    guest.call('probe_revoke', ref);
    expect(() => guest.call('probe_revoke', ref)).toThrow(
      `panic: xengnt: reference ${ref} is given back twice`,
    );
  });

  test('GNT-2: a reference outside the table is a panic', () => {
    const guest = boot(options);
    expect(() => guest.call('probe_in_use', 5)).toThrow(
      'panic: xengnt: expected a reference within [9, 512), found 5',
    );
  });

  test('GNT-3: what is granted is what the other domain sees, as far as it may', () => {
    const guest = boot(options);
    const { dom0 } = guest.host.hv;
    guest.call('probe_poke', 3, 0x1234);
    const ref = guest.call('probe_grant', 3, 1);
    const mapping = dom0.grantMap(guest.domid, ref, true);
    expect(mapping.memory.ld32(0)).toBe(0x1234);
    expect(() => dom0.grantMap(guest.domid, ref, false)).toThrow('cannot be mapped');
    mapping.unmap();
    const writable = guest.call('probe_grant', 4, 0);
    dom0.grantMap(guest.domid, writable, false).unmap();
  });

  test('GNT-3: a grant in use is not revoked', () => {
    const guest = boot(options);
    const ref = guest.call('probe_grant', 0, 0);
    const mapping = guest.host.hv.dom0.grantMap(guest.domid, ref, false);
    expect(guest.call('probe_in_use', ref)).toBe(1);
    expect(() => guest.call('probe_revoke', ref)).toThrow(
      `panic: xengnt: reference ${ref} is still in use`,
    );
    mapping.unmap();
  });

  test('GNT-3: a revoked grant cannot be mapped', () => {
    const guest = boot(options);
    const ref = guest.call('probe_grant', 0, 0);
    guest.call('probe_revoke', ref);
    expect(guest.call('probe_entry', ref)).toBe(0);
    expect(() => guest.host.hv.dom0.grantMap(guest.domid, ref, true)).toThrow('cannot be mapped');
  });

  test('GNT-4: a reference comes up again only after all others, over restores too', () => {
    const guest = boot(options);
    const refs: number[] = [];
    for (let i = 0; i < 6; i++) {
      if (i === 2 || i === 4) guest.move();
      const ref = guest.call('probe_grant', 0, 0);
      refs.push(ref);
      if (i % 2 === 0) guest.call('probe_revoke', ref);
    }
    expect(refs).toEqual([9, 10, 11, 12, 13, 14]);
  });

  test('GNT-5, GNT-6: no page table names a frame of Xen in the save file; every reference is void after it', () => {
    const guest = boot(options);
    const ref = guest.call('probe_grant', 0, 0);
    guest.move();
    expect(guest.call('probe_used')).toBe(0);
    expect(guest.call('probe_entry', ref)).toBe(0);
    expect(guest.host.audit()).toEqual([]);
    expect(() => guest.call('probe_revoke', ref)).toThrow('given back twice');
  });

  test('GNT-6: a cancelled suspend leaves every grant as it was', () => {
    const guest = boot(options);
    const { dom0 } = guest.host.hv;
    const ref = guest.call('probe_grant', 0, 0);
    const mapping = dom0.grantMap(guest.domid, ref, false);
    guest.checkpoint();
    expect(guest.call('probe_used')).toBe(1);
    expect(guest.call('probe_in_use', ref)).toBe(1);
    mapping.unmap();
    guest.call('probe_revoke', ref);
  });

  test('GNT-6: resumed as if restored, it finds its old table and empties it', () => {
    const guest = boot(options);
    const { dom0 } = guest.host.hv;
    const refs = [0, 1, 2].map((page) => guest.call('probe_grant', page, 0));
    guest.checkpoint('reset');
    expect(guest.call('probe_used')).toBe(0);
    expect(refs.map((ref) => guest.call('probe_entry', ref))).toEqual([0, 0, 0]);
    // The console's and the store's are the toolstack's.
    expect([0, 1].map((ref) => guest.call('probe_entry', ref))).not.toContain(0);
    expect(() => dom0.grantMap(guest.domid, refs[0] as number, true)).toThrow('cannot be mapped');
    expect(guest.host.consoleText(guest.domid)).not.toContain('former life');
  });

  test('GNT-6: what another domain still has mapped then is never given out again', () => {
    const guest = boot({ ...options, config: { maxGrantFrames: 1 } });
    const ref = guest.call('probe_grant', 0, 0);
    const mapping = guest.host.hv.dom0.grantMap(guest.domid, ref, false);
    guest.checkpoint('reset');
    expect(guest.call('probe_used')).toBe(1);
    expect(guest.call('probe_in_use', ref)).toBe(1);
    expect(guest.call('probe_take', PER_FRAME)).toBe(PER_FRAME - RESERVED - 1);
    mapping.unmap();
    expect(guest.call('probe_in_use', ref)).toBe(0);
  });

  test('GNT-6: the table may be smaller on the next host', () => {
    const guest = boot({ ...options, config: { maxGrantFrames: 4 } });
    expect(guest.call('probe_take', 3 * PER_FRAME)).toBe(3 * PER_FRAME);
    const file = withMaxFrames(guest.save(), '4', '2');
    guest.restore(file);
    expect(guest.call('probe_take', 4 * PER_FRAME)).toBe(2 * PER_FRAME - RESERVED);
    guest.move();
    expect(guest.call('probe_grant', 0, 0)).toBeGreaterThanOrEqual(RESERVED);
  });

  test('GNT-6: and it may be larger', () => {
    const guest = boot({ ...options, config: { maxGrantFrames: 2 } });
    expect(guest.call('probe_take', 4 * PER_FRAME)).toBe(2 * PER_FRAME - RESERVED);
    guest.restore(withMaxFrames(guest.save(), '2', '3'));
    expect(guest.call('probe_take', 4 * PER_FRAME)).toBe(3 * PER_FRAME - RESERVED);
  });

  test('GNT-8: a reference that takes a frame has it once it came, and is free afterwards', () => {
    const guest = boot(options);
    const { dom0 } = guest.host.hv;
    const { domid } = guest;
    const ref = guest.call('probe_transfer');
    const other = guest.call('probe_transfer');
    const bytes = Uint8Array.of(7);
    const pages = () => guest.host.hv.counts().domains.find((d) => d.domid === domid)?.pages ?? 0;
    const before = pages();
    expect([...dom0.grantTransfer([{ bytes, domid, ref }])]).toEqual([0]);
    expect(pages()).toBe(before + 1);
    const mfn = guest.call('probe_revoke_transfer', ref);
    expect(guest.host.hv.host.memory.frameBytes(mfn)[0]).toBe(7);
    expect(guest.call('probe_revoke_transfer', other)).toBe(XENGNT_NO_FRAME);
    expect([guest.call('probe_entry', ref), guest.call('probe_entry', other)]).toEqual([0, 0]);
    expect(guest.call('probe_used')).toBe(0);
    expect([...dom0.grantTransfer([{ bytes, domid, ref }])]).toEqual([-1]);
    expect(() => guest.call('probe_revoke_transfer', ref)).toThrow('given back twice');
  });

  test('GNT-8: what only grants takes no frame', () => {
    const guest = boot(options);
    const ref = guest.call('probe_grant', 0, 0);
    const op = { bytes: new Uint8Array(1), domid: guest.domid, ref };
    expect([...guest.host.hv.dom0.grantTransfer([op])]).toEqual([-1]);
    expect(() => guest.call('probe_revoke_transfer', ref)).toThrow('takes no frame');
  });

  test('GNT-9: frames that came to a former life in the same place are given back to Xen', () => {
    const guest = boot(options);
    const { domid } = guest;
    const refs = [guest.call('probe_transfer'), guest.call('probe_transfer')];
    const op = { bytes: new Uint8Array(1), domid, ref: refs[0] as number };
    const { free } = guest.host.hv.counts();
    expect([...guest.host.hv.dom0.grantTransfer([op])]).toEqual([0]);
    guest.checkpoint('reset');
    expect(guest.host.hv.counts().free).toBe(free);
    expect(guest.call('probe_used')).toBe(0);
    for (const ref of refs) expect(guest.call('probe_entry', ref)).toBe(0);
    expect(guest.host.audit()).toEqual([]);
  });

  test('GNT-7: the table grows when every reference is used, and XENGNT_NO_ENTRY says that Xen has no more', () => {
    const guest = boot({ ...options, config: { maxGrantFrames: 2 } });
    expect(guest.call('probe_take', PER_FRAME)).toBe(PER_FRAME);
    expect(guest.call('probe_take', PER_FRAME)).toBe(PER_FRAME - RESERVED);
    expect(guest.call('probe_grant', 0, 0)).toBe(XENGNT_NO_ENTRY);
    guest.call('probe_revoke', 700);
    expect(guest.call('probe_grant', 0, 0)).toBe(700);
    expect(guest.call('probe_grant', 0, 0)).toBe(XENGNT_NO_ENTRY);
  });
});

test('GNT-2: whatever is granted, revoked and saved, no reference has two owners', () => {
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.constant('grant' as const) },
    { weight: 6, arbitrary: fc.nat(20) },
    { weight: 1, arbitrary: fc.constant('move' as const) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const guest = boot({ amnesia: true });
      const owned: number[] = [];
      for (const what of steps) {
        if (what === 'grant') {
          const ref = guest.call('probe_grant', owned.length % 16, 0);
          expect(owned).not.toContain(ref);
          owned.push(ref);
        } else if (what === 'move') {
          guest.move();
          owned.length = 0;
        } else if (owned.length > 0) {
          const [ref] = owned.splice(what % owned.length, 1);
          guest.call('probe_revoke', ref as number);
        }
        expect(guest.call('probe_used')).toBe(owned.length);
      }
    }),
    { numRuns: 6 },
  );
});
