/*
 * Makes a domain's memory from a kernel (xg_dom_*.c): populates it, loads the kernel, writes P2M list, start_info, page
 * tables and hypercall page, pins the L4, seeds the grants of the store and console pages, and sets vCPU 0 at the entry.
 */

import type { Hypervisor } from '@port-xen/hypervisor';
import { st64 } from '@port-xen/layout';
import { bootContext } from './boot-context.ts';
import { writeBootPageTables } from './boot-page-tables.ts';
import type { BuildPlan } from './build-plan.ts';
import type { DomainLayout } from './domain-layout.ts';
import { GuestFrames } from './guest-frames.ts';
import { guestInterface } from './guest-interface.ts';
import type { DomainPorts, HostHandles } from './host-handles.ts';
import { populate } from './populate.ts';
import { tellExtents } from './tell-extents.ts';
import { ToolstackError } from './toolstack-error.ts';

const PAGE = 4096;

class Builder {
  readonly #hv: Hypervisor;
  readonly #frames: GuestFrames;
  readonly #plan: BuildPlan;
  readonly #layout: DomainLayout;
  readonly #mfnOf: Int32Array;

  constructor(hv: Hypervisor, domid: number, plan: BuildPlan) {
    this.#hv = hv;
    this.#frames = new GuestFrames(hv, domid);
    this.#plan = plan;
    this.#layout = plan.layout;
    this.#mfnOf = new Int32Array(plan.layout.pages);
  }

  build(ports: DomainPorts): HostHandles {
    const { domid } = this.#frames;
    const layout = this.#layout;
    const pfns = Int32Array.from({ length: layout.pages }, (_, pfn) => pfn);
    const missing = populate(this.#hv, domid, pfns, this.#mfnOf);
    if (missing > 0) {
      throw new ToolstackError(
        `expected ${layout.pages} frames for domain ${domid}, found ${layout.pages - missing}: the host, or the domain's share, is used up`,
      );
    }
    tellExtents(this.#hv.sim, domid, this.#mfnOf);
    this.#loadKernel();
    this.#writeP2m();
    const handles: HostHandles = {
      ...ports,
      sharedInfoMfn: this.#hv.domctl.getDomainInfo(domid).sharedInfoMfn,
      storeMfn: this.#mfn(layout.storePfn),
      consoleMfn: this.#mfn(layout.consolePfn),
    };
    const guest = guestInterface(this.#plan.image.interface);
    this.#frames.with(this.#mfn(layout.startInfoPfn), (_, memory) =>
      guest.fillStartInfo(memory, layout, handles, this.#plan.cmdline),
    );
    this.#startPageTables();
    this.#frames.with(handles.sharedInfoMfn, (_, memory) => guest.maskUpcalls(memory));
    guest.seedGrants(this.#hv, domid, handles);
    const context = bootContext(this.#plan.image, layout, this.#mfn(layout.ptBasePfn));
    this.#hv.domctl.setVcpuContext(domid, 0, context);
    return handles;
  }

  #mfn(pfn: number): number {
    return this.#mfnOf[pfn] ?? -1;
  }

  /** Copies the segments, page by page; frames are zero before, so bss needs nothing. */
  #loadKernel(): void {
    for (const { va, bytes } of this.#plan.image.segments) {
      for (let done = 0; done < bytes.length; ) {
        const at = va + done - this.#layout.virtBase;
        const within = at % PAGE;
        const part = bytes.subarray(done, done + PAGE - within);
        const mfn = this.#mfn(Math.floor(at / PAGE));
        this.#frames.with(mfn, (frame) => frame.set(part, within));
        done += part.length;
      }
    }
    const { hypercallPage } = this.#plan.image;
    if (hypercallPage === undefined) return;
    const pfn = (hypercallPage - this.#layout.virtBase) / PAGE;
    this.#hv.domctl.hypercallInit(this.#frames.domid, this.#mfn(pfn));
  }

  #writeP2m(): void {
    const perPage = PAGE / 8;
    for (let page = 0; page < this.#layout.p2mPages; page++) {
      this.#frames.with(this.#mfn(this.#layout.p2mPfn + page), (_, memory) => {
        for (let i = 0; i < perPage; i++) {
          st64(memory, i * 8, this.#mfnOf[page * perPage + i] ?? -1);
        }
      });
    }
  }

  #startPageTables(): void {
    writeBootPageTables(this.#layout, this.#mfnOf, (pfn, entries) =>
      this.#frames.with(this.#mfn(pfn), (frame) =>
        frame.set(new Uint8Array(entries.buffer, entries.byteOffset, PAGE)),
      ),
    );
    this.#hv.dom0.pin(this.#frames.domid, 4, this.#mfn(this.#layout.ptBasePfn));
  }
}

/**
 * Builds a domain that has no memory yet.
 * @throws XenError or ToolstackError if Xen refuses something: the domain is the caller's to destroy
 */
export const buildDomain = (
  hv: Hypervisor,
  domid: number,
  plan: BuildPlan,
  ports: DomainPorts,
): HostHandles => new Builder(hv, domid, plan).build(ports);
