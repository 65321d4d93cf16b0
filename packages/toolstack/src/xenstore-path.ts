/*
 * Domains of Xen 3: nodes in xenstore, which front ends, back ends and daemons watch; a ring of the domain's own to the store daemon.
 */
import { shared_info } from '@port-xen/abi';
import type { Hypervisor } from '@port-xen/hypervisor';
import type { StoreClient } from '@port-xen/xenstore';
import type { ControlPath, PathEnd, SuspendUnderWay } from './control-path.ts';
import { addDisk, addNic } from './device-nodes.ts';
import { DeviceRelease } from './device-release.ts';
import { DeviceRemoval } from './device-removal.ts';
import type { DiskConfig } from './domain-config.ts';
import { GuestFrames } from './guest-frames.ts';
import type { HostHandles } from './host-handles.ts';
import { domainPath } from './store-paths.ts';
import {
  addConsole,
  fillSkeleton,
  makeSkeleton,
  releaseStore,
  removeNodes,
  tellStore,
} from './store-skeleton.ts';
import { SuspendRequest } from './suspend-request.ts';
import { vdevNumber } from './vdev.ts';
import type { WatchTokens } from './watch-tokens.ts';

export class XenstorePath implements ControlPath {
  readonly #hv: Hypervisor;
  readonly #store: StoreClient;
  readonly #tokens: WatchTokens;

  /** @param tokens of `store`'s watches */
  constructor(hv: Hypervisor, store: StoreClient, tokens: WatchTokens) {
    this.#hv = hv;
    this.#store = store;
    this.#tokens = tokens;
  }

  made({ domid, config }: PathEnd): void {
    makeSkeleton(this.#store, domid, config);
  }

  introduce(end: PathEnd, handles: HostHandles): void {
    const startTime_ns = this.#wallclock_ns(end.domid, handles.sharedInfoMfn);
    fillSkeleton(this.#store, end.domid, end.config, handles, startTime_ns);
    this.#connect(end, handles);
  }

  reconnect(end: PathEnd, handles: HostHandles): void {
    this.#forgetSuspendChannel(end.domid);
    tellStore(this.#store, end.domid, handles);
    this.#connect(end, handles);
  }

  #connect({ domid, config }: PathEnd, handles: HostHandles): void {
    const store = this.#store;
    store.introduce(domid, handles.storeMfn, handles.storePort);
    for (const disk of config.disks) addDisk(store, domid, disk);
    addConsole(store, domid, handles);
    for (const nic of config.nics) addNic(store, domid, nic);
  }

  attachDisk(domid: number, disk: DiskConfig): void {
    addDisk(this.#store, domid, disk);
  }

  detachDisk(domid: number, vdev: string, done: (error: Error | null) => void): void {
    const token = this.#tokens.add('remove', () => removal.stateChanged());
    const device = { domid, kind: 'vbd', devid: vdevNumber(vdev) } as const;
    const removal = new DeviceRemoval(this.#hv.sim, this.#store, device, token, (error) => {
      this.#tokens.remove(token);
      done(error);
    });
  }

  requestShutdown(domid: number, how: 'poweroff' | 'reboot' | 'halt'): void {
    this.#store.write(`${domainPath(domid)}/control/shutdown`, how);
  }

  sysrq(domid: number, key: string): void {
    this.#store.write(`${domainPath(domid)}/control/sysrq`, key);
  }

  setMemoryTarget(domid: number, target_kib: number): void {
    this.#store.write(`${domainPath(domid)}/memory/target`, String(target_kib));
  }

  memoryTarget(domid: number): number | undefined {
    const text = this.#store.tryRead(`${domainPath(domid)}/memory/target`) ?? '';
    return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined;
  }

  requestSuspend(domid: number, done: (error: Error | null) => void): SuspendUnderWay {
    const token = this.#tokens.add('suspend', () => request.nodeChanged());
    const request = new SuspendRequest(this.#hv, this.#store, domid, token, (error) => {
      this.#tokens.remove(token);
      done(error);
    });
    return request;
  }

  resumed(domid: number): void {
    if (this.#store.isDomainIntroduced(domid)) this.#store.resume(domid);
  }

  letGo(domid: number, done: (devices: number) => void): () => void {
    const release = new DeviceRelease(this.#hv.sim, this.#store, domid, this.#tokens, done);
    return () => release.cancel();
  }

  remove(domid: number, uuid: string | undefined): void {
    removeNodes(this.#store, domid, uuid);
    releaseStore(this.#store, domid);
  }

  /** Since 1970: domain 0 reads it where Xen writes it for every domain. */
  #wallclock_ns(domid: number, sharedInfoMfn: number): number {
    const atBoot_ns = new GuestFrames(this.#hv, domid).with(sharedInfoMfn, (_, memory) => {
      const { wc_sec, wc_nsec } = shared_info.at(memory, 0);
      return wc_sec * 1e9 + wc_nsec;
    });
    return atBoot_ns + this.#hv.uptime_ns();
  }

  /** The port by which the guest wanted to be asked to suspend is no more: the next one of its number is another's. */
  #forgetSuspendChannel(domid: number): void {
    const node = `${domainPath(domid)}/device/suspend/event-channel`;
    if (this.#store.tryRead(node)) this.#store.write(node, '');
  }
}
