/*
 * Has a suspended domain go on as if it had been restored, in the same memory under the same number: its suspend hypercall
 * returns 0. For kernels that know no other return, and that is most of those of the first Xen 3 (xend's resumeDomain,
 * XendDomainInfo.py; xc_domain_resume_any).
 *
 *     start_info  store_mfn and console.domU.mfn, which the guest made pfns, from its P2M
 *     devices     front ends' directories removed ─▶ back ends let go: Closed, ten seconds at most ─▶ theirs removed
 *     ports       every one closed, the store's and the console's made anew: the lowest, as at the boot, so that those that
 *                 start_info names are right
 *     store       introduced again: its ring at rest, no watch, no transaction
 *     devices     made anew, both ends in state Initialising
 *     vcpus       all but the first as they were created
 *
 * What it does not do, and a restore does: shared_info keeps its frame and what is in it, grants stay in the table, timers as
 * the guest left them.
 */
import { XenbusStateClosed, XenbusStateInitialising } from '@port-xen/abi';
import type { Hypervisor } from '@port-xen/hypervisor';
import type { StoreClient } from '@port-xen/xenstore';
import type { DomainMaker } from './domain-maker.ts';
import { type RingMfns, rewriteStartInfo } from './rewrite-start-info.ts';
import {
  backendPath,
  type DeviceKind,
  domainPath,
  frontendPath,
  libxlPath,
} from './store-paths.ts';
import { ToolstackError } from './toolstack-error.ts';
import type { WatchTokens } from './watch-tokens.ts';

/** How long back ends may take to let go; then their devices are taken from them. */
const PATIENCE_NS = 10_000_000_000;
/** From the last directory's removal to the first one's making: the back ends are to have seen it. */
const PAUSE_NS = 1_000_000;

interface Device {
  readonly kind: DeviceKind;
  readonly devid: number;
}

/** What a resume is made of. */
export interface ResetParts {
  readonly hv: Hypervisor;
  readonly store: StoreClient;
  readonly maker: DomainMaker;
  readonly tokens: WatchTokens;
}

/** One resume, from its start until `done` has been called, once. */
export class ResetResume {
  readonly #parts: ResetParts;
  readonly #domid: number;
  readonly #done: (error: Error | null) => void;
  readonly #token: string;
  readonly #devices: readonly Device[];
  readonly #mfns: RingMfns;
  #state: 'releasing' | 'released' | 'over' = 'releasing';
  #timer: number;

  /**
   * For a domain that has suspended, and no other.
   * @param done called from an event of the world, never from here
   * @throws ToolstackError or XenError when start_info is not where the guest said; nothing was done then
   */
  constructor(parts: ResetParts, domid: number, done: (error: Error | null) => void) {
    this.#parts = parts;
    this.#domid = domid;
    this.#done = done;
    const { store, hv } = parts;
    this.#mfns = rewriteStartInfo(hv, domid);
    this.#devices = (['vbd', 'vif'] as const).flatMap((kind) => this.#devicesOf(kind));
    this.#token = parts.tokens.add('reset', () => this.#look());
    for (const device of this.#devices) {
      this.#remove(frontendPath(device.kind, domid, device.devid));
      store.watch(this.#stateNode(device), this.#token);
    }
    this.#timer = hv.sim.after(PATIENCE_NS, () => this.#released());
    this.#look();
  }

  /** The domain is no more. */
  domainGone(): void {
    if (this.#state === 'over') return;
    if (this.#state === 'releasing') this.#unwatch();
    this.#finish(new ToolstackError('guest we were resuming has been destroyed'));
  }

  #devicesOf(kind: DeviceKind): Device[] {
    const { store } = this.#parts;
    const directory = `/local/domain/0/backend/${kind}/${this.#domid}`;
    if (store.tryRead(directory) === undefined) return [];
    return store.directory(directory).map((devid) => ({ kind, devid: Number(devid) }));
  }

  #stateNode({ kind, devid }: Device): string {
    return `${backendPath(kind, this.#domid, devid)}/state`;
  }

  #remove(path: string): void {
    const { store } = this.#parts;
    if (store.tryRead(path) !== undefined) store.rm(path);
  }

  /** A back end is in another state. One that was never opened has nothing to let go of. */
  #look(): void {
    if (this.#state !== 'releasing') return;
    const held = this.#devices.some((device) => {
      const state = Number(this.#parts.store.tryRead(this.#stateNode(device)) ?? XenbusStateClosed);
      return state !== XenbusStateClosed && state !== XenbusStateInitialising;
    });
    if (!held) this.#released();
  }

  #unwatch(): void {
    for (const device of this.#devices) {
      this.#parts.store.unwatch(this.#stateNode(device), this.#token);
    }
  }

  #released(): void {
    const { hv } = this.#parts;
    this.#state = 'released';
    hv.sim.cancel(this.#timer);
    this.#unwatch();
    for (const { kind, devid } of this.#devices) {
      this.#remove(backendPath(kind, this.#domid, devid));
      this.#remove(`${libxlPath(this.#domid)}/device/${kind}/${devid}`);
    }
    this.#timer = hv.sim.after(PAUSE_NS, () => this.#reset());
  }

  #reset(): void {
    const { hv, store, maker } = this.#parts;
    const { domctl, dom0, sim } = hv;
    const domid = this.#domid;
    const { paused, sharedInfoMfn, maxVcpuId } = domctl.getDomainInfo(domid);
    // Xen resets the ports of a domain only while it cannot run.
    domctl.pauseDomain(domid);
    dom0.resetEventChannels(domid);
    this.#forgetSuspendChannel();
    const { storePort, consolePort } = maker.reconnect(domid, {
      ...this.#mfns,
      sharedInfoMfn,
    });
    for (let vcpu = 1; vcpu <= maxVcpuId; vcpu++) domctl.setVcpuContext(domid, vcpu, null);
    domctl.resumeDomain(domid);
    store.resume(domid);
    if (!paused) domctl.unpauseDomain(domid);
    sim.tell(
      'toolstack',
      `domain ${domid}: resumed as if restored, its suspend hypercall returns 0: store port ${storePort}, console port ${consolePort}, ${this.#devices.length} devices made anew`,
    );
    this.#finish(null);
  }

  /** The port by which the guest wanted to be asked to suspend is no more: the next one of its number is another's. */
  #forgetSuspendChannel(): void {
    const { store } = this.#parts;
    const node = `${domainPath(this.#domid)}/device/suspend/event-channel`;
    if (store.tryRead(node)) store.write(node, '');
  }

  #finish(error: Error | null): void {
    this.#state = 'over';
    this.#parts.hv.sim.cancel(this.#timer);
    this.#parts.tokens.remove(this.#token);
    this.#done(error);
  }
}
