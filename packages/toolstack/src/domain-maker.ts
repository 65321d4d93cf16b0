/*
 * Makes and unmakes domains: the domain in Xen, its ports, its nodes in xenstore, its devices. Whatever fails half-way is
 * undone before the error goes on.
 */
import type { Hypervisor } from '@port-xen/hypervisor';
import type { Sim } from '@port-xen/sim';
import type { Engine } from '@port-xen/vcpu';
import type { StoreClient } from '@port-xen/xenstore';
import type { BuildPlan } from './build-plan.ts';
import { checkDevices } from './check-devices.ts';
import type { ControlPath } from './control-path.ts';
import { buildDomain } from './domain-builder.ts';
import type { DiskConfig, DomainConfig } from './domain-config.ts';
import { guestInterface, type RingMfns } from './guest-interface.ts';
import { hex } from './hex.ts';
import type { DomainPorts, HostHandles } from './host-handles.ts';
import type { RestoreTarget } from './restored-vcpus.ts';
import { domainPath } from './store-paths.ts';
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

export class DomainMaker {
  readonly #sim: Sim;
  readonly #hv: Hypervisor;
  readonly #store: StoreClient;
  readonly #pathOf: (config: DomainConfig) => ControlPath;
  readonly #made = new Map<number, MadeDomain>();

  /** @param pathOf how a domain of a configuration is reached */
  constructor(
    sim: Sim,
    hv: Hypervisor,
    store: StoreClient,
    pathOf: (config: DomainConfig) => ControlPath,
  ) {
    this.#pathOf = pathOf;
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
    const guest = guestInterface(config.interface);
    guest.check(config);
    checkDevices(config);
    const { domctl } = this.#hv;
    const domid = domctl.createDomain({
      handle: uuidBytes(config.uuid),
      maxVcpus: config.maxVcpus,
      ...(config.maxGrantFrames !== undefined && { maxGrantFrames: config.maxGrantFrames }),
      ...(config.maxEventChannels !== undefined && { maxEvtchnPort: config.maxEventChannels }),
      interface: guest.name,
      engine,
    });
    const none = { storePort: 0, consolePort: 0, controllerPort: 0 };
    const made = { domid, config, kernel, ...none };
    this.#made.set(domid, made);
    return this.#orUndo(domid, () => {
      this.#pathOf(config).made(made);
      domctl.maxMem(domid, config.maxMem_kib + MAXMEM_SLACK_KIB);
      const whole = { ...made, ...guest.allocatePorts(this.#hv, domid) };
      this.#made.set(domid, whole);
      this.#tell(domid, `made, ${JSON.stringify(config.name)}: ${portsText(whole)}`);
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
    this.#tell(domid, `shared_info mfn ${hex(handles.sharedInfoMfn)}, ${ringsText(handles)}`);
    this.#pathOf(config).introduce(made, handles);
  }

  /**
   * Connects a domain of which every port was closed, its devices anew.
   * @param mfns its pages for daemons
   * @returns its ports, in words
   */
  reconnect(domid: number, mfns: RingMfns): string {
    const made = this.#made.get(domid) as MadeDomain;
    const guest = guestInterface(made.config.interface);
    const { sharedInfoMfn } = this.#hv.domctl.getDomainInfo(domid);
    const ports = guest.allocatePorts(this.#hv, domid);
    const again = { ...made, ...ports };
    this.#made.set(domid, again);
    guest.tellPorts(this.#hv, domid, ports);
    this.#pathOf(made.config).reconnect(again, { ...mfns, ...ports, sharedInfoMfn });
    return portsText(ports);
  }

  /** A domain's configuration as it is now, its memory's target too (libxl_retrieve_domain_configuration). */
  configOf(domid: number): DomainConfig | undefined {
    const config = this.#made.get(domid)?.config;
    if (config === undefined) return undefined;
    const target_kib = this.#pathOf(config).memoryTarget(domid) ?? config.targetMem_kib;
    return { ...config, targetMem_kib: Math.min(target_kib, config.maxMem_kib) };
  }

  /** Gives a running domain a disk. @throws ToolstackError when it has one of that name */
  attachDisk(domid: number, disk: DiskConfig): void {
    const made = this.#made.get(domid) as MadeDomain;
    const { disks } = made.config;
    if (disks.some(({ vdev }) => vdevNumber(vdev) === vdevNumber(disk.vdev))) {
      throw new ToolstackError(`domain ${domid} has a device ${disk.vdev} already`);
    }
    this.#pathOf(made.config).attachDisk(domid, disk);
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
    const made = this.#made.get(domid);
    this.#made.delete(domid);
    if (made !== undefined) this.#pathOf(made.config).remove(domid, made.config.uuid);
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

  #tell(domid: number, text: string): void {
    this.#sim.tell('toolstack', `domain ${domid}: ${text}`);
  }
}

/** A domain's ports, for the story. */
const portsText = ({ storePort, consolePort, controllerPort }: DomainPorts): string =>
  controllerPort > 0
    ? `controller port ${controllerPort}`
    : `store port ${storePort}, console port ${consolePort}`;

const ringsText = (handles: HostHandles): string =>
  handles.controllerPort > 0
    ? portsText(handles)
    : `store mfn ${hex(handles.storeMfn)} port ${handles.storePort}, console mfn ${hex(handles.consoleMfn)} port ${handles.consolePort}`;
