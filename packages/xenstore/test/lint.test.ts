import { describe, expect, test } from 'vitest';
import { lintStore, type Permission, StoreAudit, XenbusHandshake } from '../src/index.ts';
import { makeWorld } from './world.ts';

const entries = (text: string): Permission[] =>
  text.split(',').map((word) => ({
    access: word[0] as Permission['access'],
    domid: Number(word.slice(1)),
  }));
const lint = (path: string, value: string, permissions: string): string[] =>
  lintStore([{ path, value: new TextEncoder().encode(value), permissions: entries(permissions) }]);

describe('lint', () => {
  test('LINT-1: the nodes of an ordinary domain are in order', () => {
    const vm = '/vm/7b5f2ee0-0000-4000-8000-00000000002a';
    for (const [path, value, permissions] of [
      ['/', '', 'n0'],
      ['/local/domain', '', 'n0'],
      ['/local/domain/5', '', 'n0,r5'],
      ['/local/domain/5/vm', vm, 'n0,r5'],
      ['/local/domain/5/cpu/0/availability', 'online', 'n0,r5'],
      ['/local/domain/5/control/shutdown', '', 'n5'],
      ['/local/domain/5/control/shutdown', 'suspend', 'n5'],
      ['/local/domain/5/device/suspend', '', 'n0,r5'],
      ['/local/domain/5/device/suspend/event-channel', '9', 'n5'],
      ['/local/domain/5/data/any/thing', '\xff\0', 'n5'],
      ['/local/domain/5/device/vif/0/mac', '00:16:3e:00:00:01', 'n5,r0'],
      ['/local/domain/5/device/vif/0/mtu', '1500', 'n0,r5'],
      ['/local/domain/5/device/vif/0/vifname', 'xennet0', 'n5,r0'],
      ['/local/domain/0/backend/vbd/5/51712', '', 'n0,r5'],
      ['/local/domain/0/backend/vif/5/0/rate', '500000,50000', 'n0,r5'],
      ['/local/domain/0/backend/vif/5/0/mtu', '9000', 'n0,r5'],
      ['/local/domain/0/backend/vbd/5/51712/state', '4', 'n0,r5'],
      [`${vm}/image/cmdline`, 'root=xbd0', 'n0,r5'],
      ['/libxl/5/device/vbd/51712/frontend', '/local/domain/5/device/vbd/51712', 'n0'],
      ['/tool/xenstored', '', 'n0'],
    ] as const) {
      expect([path, lint(path, value, permissions)]).toEqual([path, []]);
    }
  });

  test.each([
    ['a place nobody knows', '/local/domain/5/device/vbd/51712/sate', '1', 'n5,r0'],
    ['a device that is no number', '/local/domain/5/device/vbd/xvda/state', '1', 'n5,r0'],
    ['a value of another form', '/local/domain/5/device/vbd/51712/state', '9', 'n5,r0'],
    ['a value on the way to others', '/local/domain/5/device', 'x', 'n0,r5'],
    ['a node that the domain may write', '/local/domain/5/name', 'guest', 'n5'],
    ['an MTU that the domain may write', '/local/domain/5/device/vif/0/mtu', '1500', 'n5,r0'],
    ['a node that the domain may not write', '/local/domain/5/control/shutdown', '', 'n0,r5'],
    ['a node that the domain may not read', '/local/domain/5/name', 'guest', 'n0'],
    ['a node that another domain may read', '/local/domain/5/name', 'guest', 'n0,r5,r6'],
    ['a node that all may read', '/local/domain/5/name', 'guest', 'r0'],
    ['a back end that the front end may write', '/local/domain/0/backend/vif/5/0/mac', '', 'n5'],
    ["the toolstack's own", '/libxl/5/type', 'pv', 'n0,r5'],
  ])('LINT-2: %s is found', (_what, path, value, permissions) => {
    const found = lint(path, value, permissions);
    expect(found.length).toBeGreaterThan(0);
    for (const sentence of found) expect(sentence).toMatch(/^expected .+, found /);
  });

  test('LINT-3: the handshake of two ends goes by its table', () => {
    const device = new XenbusHandshake();
    for (const [end, state] of [
      ['front', 1],
      ['back', 1],
      ['back', 2],
      ['front', 3],
      ['back', 4],
      ['front', 4],
      ['front', 4],
      ['front', 5],
      ['back', 5],
      ['front', 6],
      ['back', 6],
      ['front', 1],
      ['back', 2],
      ['front', 4],
      ['back', 4],
    ] as const) {
      expect(device.step(end, state)).toBeUndefined();
    }
    expect(device.step('back', 2)).toContain('from state 4 to 7, 5, 6, found 2');
    expect(new XenbusHandshake().step('front', 3)).toContain('a new front end in state 1, found 3');
    const early = new XenbusHandshake();
    for (const state of [1, 2]) early.step('back', state);
    early.step('front', 1);
    expect(early.step('back', 4)).toContain('before the back end is, found it in state 1');
    expect(early.gone('front')).toBe(false);
    expect(early.gone('back')).toBe(true);
  });

  test('LINT-4: an audit sees what was there only for a moment, in transactions too', () => {
    const { daemon, dom0 } = makeWorld();
    const audit = new StoreAudit(daemon);
    dom0.write('/libxl/5', '');
    dom0.write('/nonsense', '1');
    dom0.rm('/nonsense');
    const front = '/local/domain/5/device/vbd/768';
    dom0.write(`${front}/state`, '1');
    dom0.transaction((tx) => dom0.write(`${front}/state`, '4', tx));
    dom0.write(`${front}/state`, '3');
    dom0.rm('/local/domain/5/device');
    dom0.write(`${front}/state`, '1');
    dom0.rm('/local/domain/5');
    expect(audit.findings()).toEqual([
      'expected a path that xenstore-paths knows, found /nonsense',
      `expected the front end to go from state 4 to 7, 5, 6, found 3 at ${front}/state`,
    ]);
  });
});
