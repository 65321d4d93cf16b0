import { Sim } from '@port-xen/sim';
import { Xenstored } from '@port-xen/xenstore';
import { describe, expect, test } from 'vitest';
import { addDisk, addNic } from '../src/device-nodes.ts';
import { diskListText, diskRows } from '../src/disk-list.ts';
import type { DomainConfig } from '../src/domain-config.ts';
import { addConsole, fillSkeleton, makeSkeleton, removeNodes } from '../src/store-skeleton.ts';

const CONFIG: DomainConfig = {
  name: 'netbsd',
  uuid: '00000000-0000-0000-0000-000000001234',
  maxVcpus: 2,
  availVcpus: [0],
  maxMem_kib: 65536,
  targetMem_kib: 32768,
  disks: [{ pdevPath: '/disk', vdev: 'xvda', format: 'raw', readwrite: true }],
  nics: [{ devid: 0, mac: '00:16:3e:00:00:01', bridge: 'xenbr0' }],
  onPoweroff: 'destroy',
  onReboot: 'restart',
  onWatchdog: 'destroy',
  onCrash: 'destroy',
  onSoftReset: 'soft_reset',
};

const HANDLES = {
  sharedInfoMfn: 1,
  storeMfn: 77,
  storePort: 1,
  consoleMfn: 78,
  consolePort: 2,
  controllerPort: 0,
};

const whole = () => {
  const xenstored = new Xenstored({ sim: new Sim(1) });
  const store = xenstored.connect(0);
  const before = xenstored.dump().map(({ path }) => path);
  makeSkeleton(store, 5, CONFIG);
  fillSkeleton(store, 5, CONFIG, HANDLES, 1_234_560_000_000);
  for (const disk of CONFIG.disks) addDisk(store, 5, disk);
  addConsole(store, 5, HANDLES);
  for (const nic of CONFIG.nics) addNic(store, 5, nic);
  return { xenstored, store, before };
};

describe('xenstore', () => {
  test('XST-1: the nodes of a PV domain, with the permissions that libxl gives them', () => {
    const { xenstored } = whole();
    const lines = xenstored
      .dump()
      .filter(({ path }) => path.startsWith('/local/domain/5'))
      .map(({ path, value, permissions }) => {
        const rights = permissions.map(({ access, domid }) => `${access}${domid}`).join(',');
        return `${path.slice('/local/domain/5'.length)}=${String.fromCharCode(...value)} (${rights})`;
      });
    for (const line of [
      '= (n0,r5)',
      '/vm=/vm/00000000-0000-0000-0000-000000001234 (n0,r5)',
      '/name=netbsd (n0,r5)',
      '/domid=5 (n0,r5)',
      '/cpu/0/availability=online (n0,r5)',
      '/cpu/1/availability=offline (n0,r5)',
      '/memory/static-max=65536 (n0,r5)',
      '/memory/target=32768 (n0,r5)',
      '/store/port=1 (n0,r5)',
      '/store/ring-ref=77 (n0,r5)',
      '/console/port=2 (n0,r5)',
      '/console/ring-ref=78 (n0,r5)',
      '/console/limit=1048576 (n0,r5)',
      '/console/type=xenconsoled (n0,r5)',
      '/control= (n0,r5)',
      '/control/shutdown= (n5)',
      '/control/feature-suspend= (n5)',
      '/control/platform-feature-xs_reset_watches=1 (n0,r5)',
      '/device= (n0,r5)',
      '/device/suspend/event-channel= (n5)',
      '/device/vbd/51712= (n5,r0)',
      '/device/vbd/51712/backend=/local/domain/0/backend/vbd/5/51712 (n5,r0)',
      '/device/vbd/51712/state=1 (n5,r0)',
      '/device/vbd/51712/virtual-device=51712 (n5,r0)',
      '/device/vif/0/backend=/local/domain/0/backend/vif/5/0 (n5,r0)',
      '/device/vif/0/state=1 (n5,r0)',
      '/device/vif/0/handle=0 (n5,r0)',
      '/device/vif/0/mac=00:16:3e:00:00:01 (n5,r0)',
      '/device/vif/0/mtu=1500 (n0,r5)',
      '/data= (n5)',
    ]) {
      expect(lines).toContain(line);
    }
  });

  test('XST-5: disks are listed in xl’s columns; what a guest writes there is a number, or none', () => {
    const { store } = whole();
    const front = '/local/domain/5/device/vbd/51712';
    const path = '/local/domain/0/backend/vbd/5/51712';
    const text = (): string => diskListText(diskRows(store, 5, CONFIG.disks));
    const heading = 'Vdev  BE  handle state evt-ch ring-ref BE-path                       ';
    const line = (columns: string): string => `${heading}\n${columns} ${path}\n`;
    expect(text()).toBe(line('51712 0   5      1     -1     -1      '));
    for (const [name, value] of Object.entries({ 'event-channel': '7', 'ring-ref': '800' })) {
      store.write(`${front}/${name}`, value);
    }
    store.write(`${front}/state`, '\x1b[2J');
    store.write(`${front}/backend`, '\x1b[2J');
    expect(text()).toBe(line('51712 0   5      -1    7      800     '));
  });

  test('XST-2: the network back end finds what libxl tells it', () => {
    const { store } = whole();
    const nodesOf = (devid: number) => {
      const back = `/local/domain/0/backend/vif/5/${devid}`;
      return Object.fromEntries(
        store.directory(back).map((name) => [name, store.read(`${back}/${name}`)]),
      );
    };
    const plain = {
      frontend: '/local/domain/5/device/vif/0',
      'frontend-id': '5',
      online: '1',
      state: '1',
      script: '/etc/xen/scripts/vif-bridge',
      mac: '00:16:3e:00:00:01',
      bridge: 'xenbr0',
      handle: '0',
      type: 'vif',
    };
    expect(nodesOf(0)).toEqual(plain);
    const more = { bridge: 'lan', mtu: 9000, ip: '10.0.0.2', script: '/opt/vif', ifname: 'alpha' };
    const rate = { bytesPerInterval: 50_000, interval_us: 50_000 };
    addNic(store, 5, { devid: 3, mac: '00:16:3e:00:00:02', ...more, rate });
    expect(nodesOf(3)).toEqual({
      ...plain,
      frontend: '/local/domain/5/device/vif/3',
      script: '/opt/vif',
      vifname: 'alpha',
      mac: '00:16:3e:00:00:02',
      ip: '10.0.0.2',
      rate: '50000,50000',
      mtu: '9000',
      bridge: 'lan',
      handle: '3',
    });
    expect(store.read('/local/domain/5/device/vif/3/mtu')).toBe('9000');
  });

  test('XST-2: the back ends find what they need', () => {
    const { store } = whole();
    const back = '/local/domain/0/backend/vbd/5/51712';
    const values = Object.fromEntries(
      store.directory(back).map((name) => [name, store.read(`${back}/${name}`)]),
    );
    expect(values).toMatchObject({
      frontend: '/local/domain/5/device/vbd/51712',
      'frontend-id': '5',
      online: '1',
      state: '1',
      mode: 'w',
      type: 'phy',
      params: '/disk',
      'device-type': 'disk',
    });
    expect(store.getPermissions(back)).toEqual([
      { domid: 0, access: 'n' },
      { domid: 5, access: 'r' },
    ]);
    expect(store.read('/vm/00000000-0000-0000-0000-000000001234/start_time')).toBe('1234.56');
  });

  test('XST-3: nothing is left of a domain that is removed', () => {
    const { xenstored, store, before } = whole();
    removeNodes(store, 5, CONFIG.uuid);
    const left = xenstored
      .dump()
      .map(({ path }) => path)
      .filter((path) => !before.includes(path));
    // The roots that the first domain brought stay, as they do on a real host.
    expect(left.sort()).toEqual(['/libxl', '/local', '/local/domain', '/local/domain/0', '/vm']);
  });

  test('XST-4: /vm/UUID stays while another domain of that UUID is there', () => {
    const { store } = whole();
    makeSkeleton(store, 6, { ...CONFIG, name: 'other' });
    removeNodes(store, 5, CONFIG.uuid);
    expect(store.read(`/vm/${CONFIG.uuid}/uuid`)).toBe(CONFIG.uuid);
  });
});
