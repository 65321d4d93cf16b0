/*
 * Domains of Xen 2: everything goes through the host's domain controller. xenstore has their names, for `xl list`, and nothing else of them.
 */
import type { Hypervisor } from '@port-xen/hypervisor';
import type { StoreClient } from '@port-xen/xenstore';
import type { ControlPath, PathEnd, SuspendUnderWay } from './control-path.ts';
import type { DiskConfig } from './domain-config.ts';
import type { DomainController } from './domain-controller.ts';
import type { HostHandles } from './host-handles.ts';
import { makeNames, removeNodes } from './store-skeleton.ts';
import { SuspendMessage } from './suspend-message.ts';
import { ToolstackError } from './toolstack-error.ts';

/** From the back ends' letting go to the channel's being made anew. */
const PAUSE_NS = 1_000_000;
const KIB_PER_PAGE = 4;

export class ControllerPath implements ControlPath {
  readonly #hv: Hypervisor;
  readonly #store: StoreClient;
  readonly #controller: DomainController | undefined;

  /** @param controller undefined on a host that has none: every domain is refused */
  constructor(hv: Hypervisor, store: StoreClient, controller: DomainController | undefined) {
    this.#hv = hv;
    this.#store = store;
    this.#controller = controller;
  }

  get #known(): DomainController {
    if (this.#controller !== undefined) return this.#controller;
    throw new ToolstackError(
      'expected a domain controller for a domain of xen-2.0, found none on this host',
    );
  }

  made({ domid, config }: PathEnd): void {
    if (this.#known) makeNames(this.#store, domid, config);
  }

  introduce(end: PathEnd, handles: HostHandles): void {
    this.#connect(end, handles);
  }

  reconnect(end: PathEnd, handles: HostHandles): void {
    this.#connect(end, handles);
  }

  #connect({ domid, config }: PathEnd, { sharedInfoMfn, controllerPort }: HostHandles): void {
    const { disks, nics } = config;
    this.#known.connect(domid, { sharedInfoMfn, port: controllerPort }, { disks, nics });
  }

  attachDisk(domid: number, disk: DiskConfig): void {
    this.#known.attachDisk(domid, disk);
  }

  detachDisk(domid: number, vdev: string, done: (error: Error | null) => void): void {
    this.#known.detachDisk(domid, vdev, done);
  }

  requestShutdown(domid: number, how: 'poweroff' | 'reboot' | 'halt'): void {
    this.#known.shutdown(domid, how === 'halt' ? 'poweroff' : how, this.#telling(domid));
  }

  sysrq(domid: number, key: string): void {
    this.#known.sysrq(domid, key, this.#telling(domid));
  }

  setMemoryTarget(domid: number, target_kib: number): void {
    this.#known.setMemory(domid, Math.floor(target_kib / KIB_PER_PAGE), this.#telling(domid));
  }

  memoryTarget(): undefined {
    // The controller keeps none: a guest is asked, and answers.
  }

  requestSuspend(domid: number, done: (error: Error | null) => void): SuspendUnderWay {
    return new SuspendMessage(this.#hv, this.#known, domid, done);
  }

  resumed(domid: number): void {
    this.#known.resume(domid);
  }

  letGo(domid: number, done: (devices: number) => void): () => void {
    this.#known.disconnect(domid);
    const timer = this.#hv.sim.after(PAUSE_NS, () => done(0));
    return () => this.#hv.sim.cancel(timer);
  }

  remove(domid: number, uuid: string | undefined): void {
    this.#controller?.disconnect(domid);
    removeNodes(this.#store, domid, uuid);
  }

  /** Nobody waits for the answer: what is wrong with it is told. */
  #telling(domid: number): (error: Error | null) => void {
    return (error) => {
      if (error !== null) this.#hv.sim.tell('toolstack', `domain ${domid}: ${error.message}`);
    };
  }
}
