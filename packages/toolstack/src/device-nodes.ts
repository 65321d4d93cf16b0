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

/** Makes a network interface (libxl__device_nic_add). */
export const addNic = (store: StoreClient, domid: number, nic: NicConfig): void =>
  addDevice(
    store,
    'vif',
    domid,
    nic.devid,
    {
      script: nic.script ?? 'vif-bridge',
      mac: nic.mac,
      bridge: nic.bridge,
      ip: nic.ip,
      vifname: nic.ifname,
      handle: nic.devid,
      type: 'vif',
    },
    { handle: nic.devid, mac: nic.mac, mtu: nic.mtu ?? 1500, trusted: 1 },
  );
