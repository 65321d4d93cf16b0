/*
 * The nodes of a domain: the directories made when the domain is made (libxl__domain_make), the values written when it is
 * built (libxl__build_post), the console, and what goes when the domain goes.
 *
 *     /local/domain/D   vm name domid  cpu/N/availability  memory/…  store/…  console/…  control/…  device/…
 *                       data drivers feature attr error
 *     /vm/UUID          uuid name image/… start_time
 *     /libxl/D          type device/…
 *     /local/domain/0/backend/console/D/0
 */
import { XenbusStateInitialising } from '@port-xen/abi';
import { type StoreClient, XenstoreError } from '@port-xen/xenstore';
import type { DomainConfig } from './domain-config.ts';
import type { HostHandles } from './host-handles.ts';
import { StoreNodes } from './store-nodes.ts';
import { backendPath, domainPath, frontendPath, libxlPath, vmPath } from './store-paths.ts';

/** The most bytes of output that a console keeps for nobody (LIBXL_XENCONSOLE_LIMIT). */
const CONSOLE_LIMIT = 1 << 20;

/** Makes domain 0's own nodes, as xen-init-dom0 does when a host starts, and the roots for other domains' nodes. */
export const makeDomain0 = (store: StoreClient): void => {
  for (const root of ['/vm', '/libxl']) store.mkdir(root);
  store.write(`${domainPath(0)}/domid`, '0');
  store.write(`${domainPath(0)}/name`, 'Domain-0');
};

/** Writes what a domain is called, for `xl list`. Whatever a domain of that number left behind is removed first. */
export const makeNames = (store: StoreClient, domid: number, config: DomainConfig): void =>
  store.transaction((tx) => {
    const nodes = new StoreNodes(store, tx, domid);
    const home = domainPath(domid);
    const vm = vmPath(config.uuid);
    for (const path of [home, vm, libxlPath(domid)]) nodes.remove(path);
    nodes.readable(home);
    nodes.readable(vm);
    nodes.hidden(libxlPath(domid));
    nodes.hidden(`${libxlPath(domid)}/type`, 'pv');
    nodes.readable(`${home}/vm`, vm);
    nodes.readable(`${home}/name`, config.name);
    nodes.values(vm, { uuid: config.uuid, name: config.name });
  });

/** Makes the domain's directories, empty. Whatever a domain of that number left behind is removed first. */
export const makeSkeleton = (store: StoreClient, domid: number, config: DomainConfig): void =>
  store.transaction((tx) => {
    const nodes = new StoreNodes(store, tx, domid);
    const home = domainPath(domid);
    const vm = vmPath(config.uuid);
    for (const path of [home, vm, libxlPath(domid)]) nodes.remove(path);
    nodes.readable(home);
    nodes.readable(vm);
    nodes.hidden(libxlPath(domid));
    nodes.hidden(`${libxlPath(domid)}/device`);
    nodes.hidden(`${libxlPath(domid)}/type`, 'pv');
    nodes.readable(`${home}/vm`, vm);
    nodes.readable(`${home}/name`, config.name);
    for (const name of ['cpu', 'memory', 'device', 'control']) nodes.readable(`${home}/${name}`);
    for (const name of [
      'control/shutdown',
      'control/feature-poweroff',
      'control/feature-reboot',
      'control/feature-suspend',
      'control/sysrq',
      'device/suspend/event-channel',
      'data',
      'drivers',
      'feature',
      'attr',
      'error',
    ]) {
      nodes.writable(`${home}/${name}`);
    }
    nodes.values(vm, { uuid: config.uuid, name: config.name });
    nodes.values(home, {
      'control/platform-feature-multiprocessor-suspend': 1,
      'control/platform-feature-xs_reset_watches': 1,
    });
  });

/**
 * Writes what is known once the domain has its memory.
 * @param startTime_ns wall-clock time since 1970
 */
export const fillSkeleton = (
  store: StoreClient,
  domid: number,
  config: DomainConfig,
  handles: HostHandles,
  startTime_ns: number,
): void =>
  store.transaction((tx) => {
    const nodes = new StoreNodes(store, tx, domid);
    const home = domainPath(domid);
    nodes.values(home, {
      'memory/static-max': config.maxMem_kib,
      'memory/target': config.targetMem_kib,
      'memory/videoram': 0,
      domid,
      'store/port': handles.storePort,
      'store/ring-ref': handles.storeMfn,
    });
    for (let vcpu = 0; vcpu < config.maxVcpus; vcpu++) {
      const availability = config.availVcpus.includes(vcpu) ? 'online' : 'offline';
      nodes.values(home, { [`cpu/${vcpu}/availability`]: availability });
    }
    const seconds = Math.floor(startTime_ns / 1e9);
    nodes.values(vmPath(config.uuid), {
      'image/ostype': 'linux',
      'image/kernel': config.kernel ?? '',
      'image/ramdisk': config.ramdisk ?? '',
      'image/cmdline': config.cmdline ?? '',
      start_time: `${seconds}.${String(Math.floor((startTime_ns % 1e9) / 1e7)).padStart(2, '0')}`,
    });
  });

/** Writes where the domain's store page and port are, which are others than before. */
export const tellStore = (store: StoreClient, domid: number, handles: HostHandles): void =>
  new StoreNodes(store, 0, domid).values(domainPath(domid), {
    'store/port': handles.storePort,
    'store/ring-ref': handles.storeMfn,
  });

/** Makes the primary console, which the console daemon finds by itself. */
export const addConsole = (store: StoreClient, domid: number, handles: HostHandles): void =>
  store.transaction((tx) => {
    const nodes = new StoreNodes(store, tx, domid);
    const front = frontendPath('console', domid, 0);
    const back = backendPath('console', domid, 0);
    nodes.readable(back);
    nodes.values(back, {
      frontend: front,
      'frontend-id': domid,
      online: 1,
      state: XenbusStateInitialising,
      protocol: 'vt100',
    });
    nodes.readable(front);
    nodes.values(front, {
      backend: back,
      'backend-id': 0,
      limit: CONSOLE_LIMIT,
      type: 'xenconsoled',
      output: 'pty',
      tty: '',
      port: handles.consolePort,
      'ring-ref': handles.consoleMfn,
    });
  });

/** Removes a node and, above it, directories of `kind` and domid that it leaves empty. */
const removeWithParents = (store: StoreClient, path: string, levels: number): void => {
  if (store.tryRead(path) !== undefined) store.rm(path);
  let parent = path;
  for (let i = 0; i < levels; i++) {
    parent = parent.slice(0, parent.lastIndexOf('/'));
    if (store.tryRead(parent) === undefined) continue;
    if (store.directory(parent).length > 0) return;
    store.rm(parent);
  }
};

/** Removes all nodes of a domain's: first its devices, so that their back ends let go of it, then the rest. */
export const removeNodes = (store: StoreClient, domid: number, uuid: string | undefined): void => {
  const devices = `${domainPath(domid)}/device`;
  if (store.tryRead(devices) !== undefined) store.rm(devices);
  for (const kind of ['vbd', 'vif', 'console'] as const) {
    const directory = `/local/domain/0/backend/${kind}/${domid}`;
    removeWithParents(store, directory, 2);
  }
  for (const path of [domainPath(domid), libxlPath(domid)]) {
    if (store.tryRead(path) !== undefined) store.rm(path);
  }
  if (uuid !== undefined && ownsVm(store, domid, uuid)) store.rm(vmPath(uuid));
};

/** Whether /vm/UUID is there and no other domain's: a domain that is restored beside its original has the same. */
const ownsVm = (store: StoreClient, domid: number, uuid: string): boolean => {
  if (store.tryRead(vmPath(uuid)) === undefined) return false;
  return !store
    .directory('/local/domain')
    .some((id) => id !== String(domid) && store.tryRead(`/local/domain/${id}/vm`) === vmPath(uuid));
};

/** Has the daemon talk with the domain no more. */
export const releaseStore = (store: StoreClient, domid: number): void => {
  try {
    store.release(domid);
  } catch (error) {
    if (!(error instanceof XenstoreError) || error.code !== 'ENOENT') throw error;
  }
};
