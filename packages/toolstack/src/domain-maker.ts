/*
 * Makes and unmakes domains: the domain in Xen, its ports, its nodes in xenstore, its devices. Whatever fails half-way is
 * undone before the error goes on.
 */
import { shared_info } from '@port-xen/abi';
import type { Hypervisor } from '@port-xen/hypervisor';
import type { Sim } from '@port-xen/sim';
import type { Engine } from '@port-xen/vcpu';
import type { StoreClient } from '@port-xen/xenstore';
import type { BuildPlan } from './build-plan.ts';
import { addDisk, addNic } from './device-nodes.ts';
import { buildDomain } from './domain-builder.ts';
import type { DiskConfig, DomainConfig } from './domain-config.ts';
import { GuestFrames } from './guest-frames.ts';
import { hex } from './hex.ts';
import type { RestoreTarget } from './restored-vcpus.ts';
import type { HostHandles } from './start-info.ts';
import { domainPath } from './store-paths.ts';
import {
  addConsole,
  fillSkeleton,
  makeSkeleton,
  releaseStore,
  removeNodes,
  tellStore,
} from './store-skeleton.ts';
import { tellExtents } from './tell-extents.ts';
import { ToolstackError } from './toolstack-error.ts';
import { uuidBytes } from './uuid.ts';
import { vdevNumber } from './vdev.ts';

/** A domain that was made here, until it is destroyed. */
export interface MadeDomain extends RestoreTarget {
  /** The file it was built from; undefined if it was restored. */
  readonly kernel: Uint8Array | undefined;
}

/** Beyond its memory a domain may have this much: what libxl adds for tables of its own (LIBXL_MAXMEM_CONSTANT). */
export const MAXMEM_SLACK_KIB = 1024;
const DOM0 = 0;

export class DomainMaker {
  readonly #sim: Sim;
  readonly #hv: Hypervisor;
  readonly #store: StoreClient;
  readonly #made = new Map<number, MadeDomain>();

  constructor(sim: Sim, hv: Hypervisor, store: StoreClient) {
    this.#sim = sim;
    this.#hv = hv;
    this.#store = store;
  }

  get(domid: number): MadeDomain | undefined {
    return this.#made.get(domid);
  }

  /**
   * Makes a domain without memory, its directories, and the ports for its store and console.
   * @param kernel what it is going to be built from; undefined if it is restored
   */
  make(config: DomainConfig, engine: Engine, kernel: Uint8Array | undefined): MadeDomain {
    this.#checkName(config.name);
    const { domctl, dom0 } = this.#hv;
    const domid = domctl.createDomain({
      handle: uuidBytes(config.uuid),
      maxVcpus: config.maxVcpus,
      ...(config.maxGrantFrames !== undefined && { maxGrantFrames: config.maxGrantFrames }),
      ...(config.maxEventChannels !== undefined && { maxEvtchnPort: config.maxEventChannels }),
      engine,
    });
    const made = { domid, config, kernel, storePort: 0, consolePort: 0 };
    this.#made.set(domid, made);
    return this.#orUndo(domid, () => {
      makeSkeleton(this.#store, domid, config);
      domctl.maxMem(domid, config.maxMem_kib + MAXMEM_SLACK_KIB);
      const storePort = dom0.allocUnbound(domid, DOM0);
      const consolePort = dom0.allocUnbound(domid, DOM0);
      const whole = { ...made, storePort, consolePort };
      this.#made.set(domid, whole);
      this.#tell(
        domid,
        `made, ${JSON.stringify(config.name)}: store port ${storePort}, console port ${consolePort}`,
      );
      return whole;
    });
  }

  /** Makes a domain from a kernel, whole but paused. @returns its domid */
  build(config: DomainConfig, engine: Engine, plan: BuildPlan): number {
    const made = this.make(config, engine, plan.kernel);
    const { domid } = made;
    return this.#orUndo(domid, () => {
      this.introduce(made, buildDomain(this.#hv, domid, plan, made));
      return domid;
    });
  }

  /**
   * Makes a domain that has its memory known: to the store daemon, to the console daemon, to the back ends.
   * @param mfnOf its frames, if they have not been told of
   */
  introduce(made: RestoreTarget, handles: HostHandles, mfnOf?: Int32Array): void {
    const { domid, config } = made;
    if (mfnOf !== undefined) tellExtents(this.#sim, domid, mfnOf);
    this.#tell(
      domid,
      `shared_info mfn ${hex(handles.sharedInfoMfn)}, store mfn ${hex(handles.storeMfn)} port ${handles.storePort}, console mfn ${hex(handles.consoleMfn)} port ${handles.consolePort}`,
    );
    const startTime_ns = this.#wallclock_ns(domid, handles.sharedInfoMfn);
    fillSkeleton(this.#store, domid, config, handles, startTime_ns);
    this.#store.introduce(domid, handles.storeMfn, handles.storePort);
    for (const disk of config.disks) addDisk(this.#store, domid, disk);
    addConsole(this.#store, domid, handles);
    for (const nic of config.nics) addNic(this.#store, domid, nic);
  }

  /**
   * Connects a domain of which every port was closed: its store and its console again, its devices anew.
   * @returns its ports
   */
  reconnect(
    domid: number,
    mfns: Pick<HostHandles, 'sharedInfoMfn' | 'storeMfn' | 'consoleMfn'>,
  ): Pick<HostHandles, 'storePort' | 'consolePort'> {
    const { dom0 } = this.#hv;
    const made = this.#made.get(domid) as MadeDomain;
    const { disks, nics } = made.config;
    const storePort = dom0.allocUnbound(domid, DOM0);
    const consolePort = dom0.allocUnbound(domid, DOM0);
    const handles = { ...mfns, storePort, consolePort };
    this.#made.set(domid, { ...made, storePort, consolePort });
    tellStore(this.#store, domid, handles);
    this.#store.introduce(domid, handles.storeMfn, storePort);
    for (const disk of disks) addDisk(this.#store, domid, disk);
    addConsole(this.#store, domid, handles);
    for (const nic of nics) addNic(this.#store, domid, nic);
    return handles;
  }

  /** Gives a running domain a disk. @throws ToolstackError when it has one of that name */
  attachDisk(domid: number, disk: DiskConfig): void {
    const made = this.#made.get(domid) as MadeDomain;
    const { disks } = made.config;
    if (disks.some(({ vdev }) => vdevNumber(vdev) === vdevNumber(disk.vdev))) {
      throw new ToolstackError(`domain ${domid} has a device ${disk.vdev} already`);
    }
    addDisk(this.#store, domid, disk);
    this.#made.set(domid, { ...made, config: { ...made.config, disks: [...disks, disk] } });
  }

  /** A disk of a running domain's is no more. */
  forgetDisk(domid: number, devid: number): void {
    const made = this.#made.get(domid);
    if (made === undefined) return;
    const disks = made.config.disks.filter(({ vdev }) => vdevNumber(vdev) !== devid);
    this.#made.set(domid, { ...made, config: { ...made.config, disks } });
  }

  /** Gives the domain's name away: it gets the first free one of NAME-1, NAME-2, … */
  setAside(domid: number): void {
    const { name } = (this.#made.get(domid) as MadeDomain).config;
    let number = 1;
    while (this.#named(`${name}-${number}`) !== undefined) number++;
    this.#store.write(`${domainPath(domid)}/name`, `${name}-${number}`);
  }

  /** @throws XenError if there is no such domain */
  destroy(domid: number): void {
    const uuid = this.#made.get(domid)?.config.uuid;
    this.#made.delete(domid);
    removeNodes(this.#store, domid, uuid);
    releaseStore(this.#store, domid);
    this.#hv.domctl.destroyDomain(domid);
  }

  #orUndo<T>(domid: number, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (this.#made.has(domid)) this.destroy(domid);
      throw error;
    }
  }

  #checkName(name: string): void {
    const other = this.#named(name);
    if (other === undefined) return;
    throw new ToolstackError(
      `A domain with name ${JSON.stringify(name)} already exists: domain ${other}`,
    );
  }

  /** The domid of the domain that bears a name. */
  #named(name: string): string | undefined {
    return this.#store
      .directory('/local/domain')
      .find((id) => this.#store.tryRead(`/local/domain/${id}/name`) === name);
  }

  /** Since 1970: domain 0 reads it where Xen writes it for every domain. */
  #wallclock_ns(domid: number, sharedInfoMfn: number): number {
    const atBoot_ns = new GuestFrames(this.#hv, domid).with(sharedInfoMfn, (_, memory) => {
      const { wc_sec, wc_nsec } = shared_info.at(memory, 0);
      return wc_sec * 1e9 + wc_nsec;
    });
    return atBoot_ns + this.#hv.uptime_ns();
  }

  #tell(domid: number, text: string): void {
    this.#sim.tell('toolstack', `domain ${domid}: ${text}`);
  }
}
