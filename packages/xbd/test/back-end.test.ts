import { EIO, ENXIO } from '@port-xen/kern';
import { MODES, USER_BASE } from '@tooling/guest-testbed';
import { memoryDisk } from '@tooling/testbed';
import { describe, expect, test } from 'vitest';
import { DiskGuest } from './disk-guest.ts';
import { HandMadeBackEnd } from './hand-made-back-end.ts';

const SECTOR = 512;
const CLOSING = 5;
const CLOSED = 6;

const errorsOf = (guest: DiskGuest, ...bufs: number[]): number[] =>
  bufs.map((n) => guest.call('probe_error', n));

describe.each(MODES)('%s', (_, options) => {
  const withHandMade = () => {
    const guest = new DiskGuest({ ...options, disks: {} });
    return { guest, back: new HandMadeBackEnd(guest, { sectors: 100 }) };
  };

  const mischiefs: [string, (back: HandMadeBackEnd) => void, string][] = [
    ['an id that is none', (back) => back.answer(32), 'an answer to request 32, which is not out'],
    [
      'an id beyond all bounds',
      (back) => back.answer(2 ** 52),
      `an answer to request ${2 ** 52}, which is not out`,
    ],
    [
      'an answer twice',
      (back) => {
        const { id } = back.take();
        back.answer(id);
        back.answer(id);
      },
      'an answer to request 0, which is not out',
    ],
    ['an answer too many', (back) => back.claim(4), 'more answers than requests'],
    ['indices beyond the ring', (back) => back.claim(2 ** 31), 'more answers than requests'],
  ];

  test.each(mischiefs)(
    'XBD-11: %s: the back end is given up, nobody waits for ever',
    (_, mischief, what) => {
      const { guest, back } = withHandMade();
      const used = guest.call('probe_grants');
      guest.submit(0, 3);
      mischief(back);
      expect(guest.console).toContain(`xbd0: the back end sent ${what}`);
      expect(guest.ended.toSorted()).toEqual([0, 1, 2]);
      expect(errorsOf(guest, 1, 2)).toEqual([EIO, EIO]);
      expect(guest.call('probe_busy', 0)).toBe(0);
      expect(guest.write(0, USER_BASE, SECTOR)).toBe(-ENXIO);
      expect(guest.call('probe_grants')).toBe(used);
      back.notify();
      back.letGo();
    },
  );

  test('XBD-11: a page that the back end keeps is not granted to anybody else', () => {
    const { guest, back } = withHandMade();
    const used = guest.call('probe_grants');
    guest.submit(0, 2);
    const { id, ref } = back.take();
    const mapping = guest.host.hv.dom0.grantMap(guest.domid, ref, true);
    back.answer(id);
    expect(guest.console).toContain('an answer while 1 pages of its request are in use');
    expect(errorsOf(guest, 0, 1)).toEqual([EIO, EIO]);
    expect(guest.call('probe_grants')).toBe(used + 1);
    mapping.unmap();
    back.letGo();
  });

  test('XBD-11: the other disks do not notice', () => {
    const disk = memoryDisk(10 * SECTOR);
    const guest = new DiskGuest({ ...options, disks: { xvda: disk } });
    const back = new HandMadeBackEnd(guest);
    back.claim(9);
    expect(guest.write(3, USER_BASE, SECTOR)).toBe(SECTOR);
    expect(guest.call('probe_io', 1, 0, 0, USER_BASE, SECTOR)).toBe(-ENXIO);
    back.letGo();
  });

  test('XBD-12: a disk that is unplugged ends what is out, tells so, and leaves nothing', () => {
    const guest = new DiskGuest(options);
    const { store } = guest.host;
    const backend = `/local/domain/0/backend/vbd/${guest.domid}/51712`;
    guest.submit(0, 5);
    store.write(`${backend}/online`, '0');
    store.write(`${backend}/state`, String(CLOSING));
    guest.host.runFor(100e6);
    expect(guest.ended.toSorted()).toEqual([0, 1, 2, 3, 4]);
    expect(guest.console).toContain('xbd0: detached\n');
    expect(guest.call('probe_is_used', 0)).toBe(0);
    expect(guest.call('probe_grants')).toBe(0);
    expect(guest.write(0, USER_BASE, SECTOR)).toBe(-ENXIO);
    expect(store.read(`/local/domain/${guest.domid}/device/vbd/51712/state`)).toBe(String(CLOSED));
    expect(guest.host.conservation()).toMatchObject({ openDisks: 0, maptrack: 0 });
    const held = guest.host.conservation();
    // Another one is plugged in and out, and is xbd0 again.
    const back = new HandMadeBackEnd(guest);
    expect(guest.call('probe_is_used', 0)).toBe(1);
    back.letGo();
    back.setState(CLOSED);
    guest.host.runFor(10e6);
    store.rm(back.front);
    store.rm(back.back);
    expect(guest.host.conservation()).toMatchObject({ ports: held.ports, grants: held.grants });
    guest.move();
  });

  test('XBD-12: a back end that is closing and answers nothing is waited for, five seconds', () => {
    const { guest, back } = withHandMade();
    guest.submit(0, 3);
    back.setState(CLOSING);
    guest.host.runFor(4.5e9);
    expect(guest.ended).toEqual([]);
    expect(guest.write(0, USER_BASE, SECTOR)).toBe(-ENXIO);
    guest.host.runFor(1e9);
    expect(guest.ended.toSorted()).toEqual([0, 1, 2]);
    expect(errorsOf(guest, 0, 1, 2)).toEqual([ENXIO, ENXIO, ENXIO]);
    expect(back.frontState).toBe(CLOSED);
    back.letGo();
  });

  test('XBD-12: a back end that is gone without a word takes its disk with it', () => {
    const { guest, back } = withHandMade();
    guest.submit(0, 3);
    back.letGo();
    guest.host.store.rm(back.back);
    guest.host.runFor(10e6);
    expect(errorsOf(guest, 0, 1, 2)).toEqual([ENXIO, ENXIO, ENXIO]);
    expect(guest.call('probe_is_used', 0)).toBe(0);
    expect(guest.call('probe_grants')).toBe(0);
  });

  test('XBD-12: boot does not wait for a disk that closes before it was ever open', () => {
    const guest = new DiskGuest({ ...options, disks: {} });
    const { store } = guest.host;
    const front = `/local/domain/${guest.domid}/device/vbd/51744`;
    const back = `/local/domain/0/backend/hand/${guest.domid}/51744`;
    store.transaction((tx) => {
      store.write(`${back}/state`, '2', tx);
      for (const path of [back, `${back}/state`]) {
        store.setPermissions(path, [{ domid: 0, access: 'r' }], tx);
      }
      for (const [name, value] of [
        ['backend', back],
        ['backend-id', '0'],
        ['state', '1'],
      ] as const) {
        store.write(`${front}/${name}`, value, tx);
      }
      for (const path of [
        front,
        ...['backend', 'backend-id', 'state'].map((n) => `${front}/${n}`),
      ]) {
        store.setPermissions(path, [{ domid: guest.domid, access: 'n' }], tx);
      }
    });
    guest.host.runFor(10e6);
    expect(guest.call('probe_pending')).toBe(1);
    store.write(`${back}/state`, String(CLOSED));
    guest.host.runFor(10e6);
    expect(guest.call('probe_pending')).toBe(0);
  });
});
