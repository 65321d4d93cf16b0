/*
 * Has a suspended domain go on as if it had been restored, in the same memory under the same number: its suspend hypercall
 * returns 0. For kernels that know no other return, and that is most of those of the first Xen 3 (xend's resumeDomain,
 * XendDomainInfo.py; xc_domain_resume_any).
 *
 *     start_info  what the guest made pfns, from its P2M
 *     devices     back ends let go of them
 *     ports       every one closed, those of start_info made anew: the lowest, as at the boot
 *     daemons     the store introduced again, or the controller connected: rings at rest, no watch, no transaction
 *     devices     made anew
 *     vcpus       all but the first as they were created
 *
 * What it does not do, and a restore does: shared_info keeps its frame and what is in it (but for Xen 2's control interface), grants stay in
 * the table, timers as the guest left them.
 */
import type { Hypervisor } from '@port-xen/hypervisor';
import { BytesMemory } from '@port-xen/layout';
import type { ControlPath } from './control-path.ts';
import type { DomainMaker } from './domain-maker.ts';
import { GuestFrames } from './guest-frames.ts';
import { guestInterface, type RingMfns } from './guest-interface.ts';
import { readGuestP2m } from './guest-p2m.ts';
import { ToolstackError } from './toolstack-error.ts';

/** What a resume is made of. */
export interface ResetParts {
  readonly hv: Hypervisor;
  readonly path: ControlPath;
  readonly maker: DomainMaker;
}

/** One resume, from its start until `done` has been called, once. */
export class ResetResume {
  readonly #parts: ResetParts;
  readonly #domid: number;
  readonly #done: (error: Error | null) => void;
  readonly #mfns: RingMfns;
  readonly #cancel: () => void;
  #over = false;

  /**
   * For a domain that has suspended, and no other.
   * @param done called from an event of the world, never from here
   * @throws ToolstackError or XenError when start_info is not where the guest said; nothing was done then
   */
  constructor(parts: ResetParts, domid: number, done: (error: Error | null) => void) {
    const { hv, path } = parts;
    const { sharedInfoMfn, interface: name } = hv.domctl.getDomainInfo(domid);
    const sharedInfo = new BytesMemory(new GuestFrames(hv, domid).copy(sharedInfoMfn));
    const { mfnOf } = readGuestP2m(hv, domid, sharedInfo);
    this.#parts = parts;
    this.#domid = domid;
    this.#done = done;
    this.#mfns = guestInterface(name).rewriteStartInfo(hv, domid, mfnOf);
    this.#cancel = path.letGo(domid, (devices) => this.#reset(devices));
  }

  /** The domain is no more. */
  domainGone(): void {
    if (this.#over) return;
    this.#cancel();
    this.#finish(new ToolstackError('guest we were resuming has been destroyed'));
  }

  #reset(devices: number): void {
    const { hv, path, maker } = this.#parts;
    const { domctl, dom0, sim } = hv;
    const domid = this.#domid;
    const { paused, maxVcpuId } = domctl.getDomainInfo(domid);
    // Xen resets the ports of a domain only while it cannot run.
    domctl.pauseDomain(domid);
    dom0.resetEventChannels(domid);
    const ports = maker.reconnect(domid, this.#mfns);
    for (let vcpu = 1; vcpu <= maxVcpuId; vcpu++) domctl.setVcpuContext(domid, vcpu, null);
    domctl.resumeDomain(domid);
    path.resumed(domid);
    if (!paused) domctl.unpauseDomain(domid);
    sim.tell(
      'toolstack',
      `domain ${domid}: resumed as if restored, its suspend hypercall returns 0: ${ports}, ${devices} devices made anew`,
    );
    this.#finish(null);
  }

  #finish(error: Error | null): void {
    this.#over = true;
    this.#done(error);
  }
}
