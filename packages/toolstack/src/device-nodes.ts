/*
 * The nodes that make a device: the back end's directory, the front end's, and the toolstack's copy of the first. Both ends
 * start in state Initialising, at a boot as at a restore.
 */
import { XenbusStateInitialising } from '@port-xen/abi';
import type { StoreClient } from '@port-xen/xenstore';
import type { DiskConfig, NicConfig } from './domain-config.ts';
import { StoreNodes } from './store-nodes.ts';
import { backendPath, type DeviceKind, frontendPath, libxlPath } from './store-paths.ts';
import { vdevNumber } from './vdev.ts';

type Values = Readonly<Record<string, string | number | undefined>>;

const addDevice = (
  store: StoreClient,
  kind: DeviceKind,
  domid: number,
  devid: number,
  backValues: Values,
  frontValues: Values,
  readonlyFrontValues: Values = {},
): void =>
  store.transaction((tx) => {
    const nodes = new StoreNodes(store, tx, domid);
    const back = backendPath(kind, domid, devid);
    const front = frontendPath(kind, domid, devid);
    const copy = `${libxlPath(domid)}/device/${kind}/${devid}`;
    const both = {
      frontend: front,
      'frontend-id': domid,
      online: 1,
      ...backValues,
    };
    nodes.frontend(front);
    nodes.values(front, {
      backend: back,
      'backend-id': 0,
      state: XenbusStateInitialising,
      ...frontValues,
    });
    for (const [name, value] of Object.entries(readonlyFrontValues)) {
      nodes.readable(`${front}/${name}`, String(value));
    }
    nodes.hidden(copy);
    nodes.values(copy, { ...both, backend: back, state: XenbusStateInitialising });
    nodes.readable(back);
    nodes.values(back, { ...both, state: XenbusStateInitialising });
  });

/** Makes a disk (libxl__device_disk_add). Domain 0's kernel serves every one. */
export const addDisk = (store: StoreClient, domid: number, disk: DiskConfig): void => {
  const devid = vdevNumber(disk.vdev);
  const deviceType = disk.isCdrom ? 'cdrom' : 'disk';
  addDevice(
    store,
    'vbd',
    domid,
    devid,
    {
      removable: disk.removable ? 1 : 0,
      bootable: 1,
      dev: disk.vdev,
      type: disk.backend === 'qdisk' ? 'qdisk' : 'phy',
      mode: disk.readwrite ? 'w' : 'r',
      'device-type': deviceType,
      'discard-enable': (disk.discardEnable ?? disk.readwrite) ? 1 : 0,
      'direct-io-safe': disk.directIoSafe ? 1 : undefined,
      specification: 'xen',
      params: disk.pdevPath,
      script: disk.script,
    },
    { 'virtual-device': devid, 'device-type': deviceType, trusted: 1 },
  );
};

const SCRIPTS = '/etc/xen/scripts';
const ETHERMTU = 1500;

/** Makes a network interface (libxl__set_xenstore_nic). Its front end may read the MTU and not say another. */
export const addNic = (store: StoreClient, domid: number, nic: NicConfig): void => {
  const { devid, mac, mtu = ETHERMTU, script = 'vif-bridge' } = nic;
  addDevice(
    store,
    'vif',
    domid,
    devid,
    {
      script: script.startsWith('/') ? script : `${SCRIPTS}/${script}`,
      vifname: nic.ifname,
      mac,
      ip: nic.ip,
      rate: nic.rate && `${nic.rate.bytesPerInterval},${nic.rate.interval_us}`,
      mtu: mtu === ETHERMTU ? undefined : mtu,
      bridge: nic.bridge ?? 'xenbr0',
      handle: devid,
      type: 'vif',
    },
    { handle: devid, mac, trusted: 1 },
    { mtu },
  );
};
