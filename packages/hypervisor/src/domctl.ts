/*
 * What the toolstack asks of Xen (xen/common/domctl.c, arch/x86/domctl.c), as calls. Contexts, policies and states are the ABI's
 * bytes. A refusal is a XenError.
 */
import { XEN_EBUSY, XEN_EINVAL, XEN_ENODATA, XEN_ESRCH } from '@port-xen/abi';
import { defaultLeaves, defaultMsrs } from './cpu-policy.ts';
import { type CreateDomain, createDomain } from './create-domain.ts';
import type { Domain } from './domain.ts';
import { populate } from './domain-frames.ts';
import { type DomainInfo, domainInfo } from './domain-info.ts';
import type { TscSettings } from './domain-tsc.ts';
import { applyExtContext, applyXsave, readExtContext, readXsave } from './extended-state.ts';
import { holdFrame, releaseFrame } from './grant-mapping.ts';
import type { GuestVcpu } from './guest-vcpu.ts';
import { fillHypercallPage } from './hypercall-page.ts';
import type { Hypervisor } from './hypervisor.ts';
import { cleanLogDirty, disableLogDirty, enableLogDirty, peekLogDirty } from './log-dirty.ts';
import { pageFrameInfo } from './page-frame-info.ts';
import { readContext } from './read-context.ts';
import { applyContext, resetContext } from './vcpu-context.ts';
import { VcpuMsrs } from './vcpu-msrs.ts';
import { XenError } from './xen-error.ts';

/** CPUID leaves (24 bytes each) and MSRs (16 bytes each). */
export interface CpuPolicy {
  readonly leaves: Uint8Array;
  readonly msrs: Uint8Array;
}

export class Domctl {
  readonly #xen: Hypervisor;
  readonly #policies = new Map<number, CpuPolicy>();
  readonly #msrs = new WeakMap<GuestVcpu, VcpuMsrs>();

  constructor(xen: Hypervisor) {
    this.#xen = xen;
  }

  #domain(domid: number): Domain {
    const domain = this.#xen.domains.get(domid);
    if (domain === undefined || domain.dying) {
      throw new XenError(XEN_ESRCH, `expected a domain ${domid}, found none`);
    }
    return domain;
  }

  #vcpu(domid: number, id: number): GuestVcpu {
    const vcpu = this.#domain(domid).vcpus[id];
    if (vcpu === undefined) throw new XenError(XEN_EINVAL, `domain ${domid} has no vcpu ${id}`);
    return vcpu;
  }

  /** A new domain: paused, without memory. @returns its domid */
  createDomain(options: CreateDomain): number {
    return createDomain(this.#xen, options);
  }

  maxMem(domid: number, kib: number): void {
    this.#domain(domid).maxPages = Math.floor(kib / 4);
  }

  pauseDomain(domid: number): void {
    const domain = this.#domain(domid);
    domain.pausedByController = true;
    for (const vcpu of domain.vcpus) vcpu.halt();
  }

  unpauseDomain(domid: number): void {
    const domain = this.#domain(domid);
    domain.pausedByController = false;
    domain.wake();
  }

  /** Takes everything from a domain. Frames that others still map go when they let go. */
  destroyDomain(domid: number): void {
    this.#policies.delete(domid);
    this.#xen.destroy(this.#domain(domid));
  }

  /** A domain that has shut down goes on where it was. */
  resumeDomain(domid: number): void {
    const domain = this.#domain(domid);
    if (!domain.isShutDown) throw new XenError(XEN_EINVAL, `domain ${domid} has not shut down`);
    domain.resume();
  }

  getDomainInfo(domid: number): DomainInfo {
    return domainInfo(this.#domain(domid));
  }

  /** Dying domains that others still hold frames of included. */
  listDomains(): DomainInfo[] {
    return [...this.#xen.domains.values()].map(domainInfo);
  }

  /**
   * XENMEM_populate_physmap on a domain's behalf. The M2P is written.
   * @param pfns the first of each extent @returns the first MFN of each, fewer when memory or the domain's limit ran out
   */
  populatePhysmap(domid: number, pfns: Int32Array, order: 0 | 9 = 0): Int32Array {
    const domain = this.#domain(domid);
    const mfns = new Int32Array(pfns.length);
    for (let i = 0; i < pfns.length; i++) {
      const mfn = populate(this.#xen.host, domain, order, pfns[i] as number);
      if (mfn < 0) return mfns.subarray(0, i);
      mfns[i] = mfn;
    }
    return mfns;
  }

  hypercallInit(domid: number, mfn: number): void {
    const domain = this.#domain(domid);
    const { host } = this.#xen;
    if (!holdFrame(host, mfn, domid, true)) {
      throw new XenError(
        XEN_EINVAL,
        `mfn ${mfn} of domain ${domain.domid} cannot be a hypercall page`,
      );
    }
    fillHypercallPage(host.memory.frameBytes(mfn));
    host.markDirty(mfn);
    releaseFrame(host, mfn, true);
  }

  pageFrameInfo(domid: number, mfns: Int32Array): Uint32Array {
    this.#domain(domid);
    const { host } = this.#xen;
    const types = new Uint32Array(mfns.length);
    for (let i = 0; i < mfns.length; i++) {
      types[i] = pageFrameInfo(host, domid, mfns[i] as number);
    }
    return types;
  }

  getVcpuContext(domid: number, id: number): Uint8Array {
    const vcpu = this.#vcpu(domid, id);
    if (!vcpu.initialised) throw new XenError(XEN_ENODATA, `vcpu ${id} has no context yet`);
    return readContext(vcpu);
  }

  /** @param context 5168 bytes; null puts the vCPU back to how it was created */
  setVcpuContext(domid: number, id: number, context: Uint8Array | null): void {
    const vcpu = this.#vcpu(domid, id);
    if (context === null) {
      resetContext(vcpu);
      return;
    }
    const rc = applyContext(vcpu, context);
    if (rc !== 0) throw new XenError(-rc, `the context of vcpu ${id} was refused (error ${-rc})`);
  }

  getExtVcpuContext(domid: number, id: number): Uint8Array {
    return readExtContext(this.#vcpu(domid, id));
  }

  setExtVcpuContext(domid: number, id: number, context: Uint8Array): void {
    applyExtContext(this.#vcpu(domid, id), context);
  }

  /** xcr0, xcr0_accum, then the uncompressed XSAVE area. */
  getVcpuExtState(domid: number, id: number): Uint8Array {
    return readXsave(this.#vcpu(domid, id));
  }

  setVcpuExtState(domid: number, id: number, state: Uint8Array): void {
    applyXsave(this.#vcpu(domid, id), state);
  }

  /** 16 bytes for each MSR that is not zero. */
  getVcpuMsrs(domid: number, id: number): Uint8Array {
    return this.#msrsOf(domid, id).read();
  }

  setVcpuMsrs(domid: number, id: number, msrs: Uint8Array): void {
    this.#msrsOf(domid, id).apply(msrs);
  }

  #msrsOf(domid: number, id: number): VcpuMsrs {
    const vcpu = this.#vcpu(domid, id);
    const msrs = this.#msrs.get(vcpu) ?? new VcpuMsrs();
    this.#msrs.set(vcpu, msrs);
    return msrs;
  }

  /** XEN_DOMCTL_gettscinfo. */
  getTscInfo(domid: number): TscSettings {
    return this.#domain(domid).tsc.get();
  }

  /** XEN_DOMCTL_settscinfo. The domain has lived once more: its incarnation is one higher than the one given. */
  setTscInfo(domid: number, settings: TscSettings): void {
    const domain = this.#domain(domid);
    if (!domain.tsc.set(settings)) {
      const { mode, khz } = settings;
      throw new XenError(
        XEN_EINVAL,
        `expected a TSC mode of 0 to 2 and a frequency below 2^24 kHz, found mode ${mode}, ${khz} kHz`,
      );
    }
    for (const vcpu of domain.vcpus) vcpu.time.expire();
  }

  /** XEN_DOMCTL_settimeoffset: what the domain's wall clock differs by from the host's. */
  setTimeOffset(domid: number, offset_s: number): void {
    const domain = this.#domain(domid);
    domain.timeOffset_s = offset_s;
    this.#xen.writeWallclock(domain);
  }

  getCpuPolicy(domid: number): CpuPolicy {
    this.#domain(domid);
    return this.#policies.get(domid) ?? { leaves: defaultLeaves(), msrs: defaultMsrs() };
  }

  setCpuPolicy(domid: number, policy: CpuPolicy): void {
    this.#domain(domid);
    if (policy.leaves.length % 24 !== 0 || policy.msrs.length % 16 !== 0) {
      throw new XenError(XEN_EINVAL, 'expected whole CPUID leaves and MSR entries');
    }
    this.#policies.set(domid, policy);
  }

  /** XEN_DOMCTL_shadow_op. @param bitmap a bit per pfn, filled by clean and peek */
  shadowOp(
    domid: number,
    op: 'enable-logdirty' | 'off' | 'clean' | 'peek',
    bitmap?: Uint8Array,
  ): { dirty: number } {
    const domain = this.#domain(domid);
    switch (op) {
      case 'enable-logdirty':
        if (!enableLogDirty(domain)) throw new XenError(XEN_EBUSY, 'log-dirty mode is on already');
        return { dirty: 0 };
      case 'off':
        disableLogDirty(domain);
        return { dirty: 0 };
      case 'clean':
      case 'peek': {
        const dirty = op === 'clean' ? cleanLogDirty(domain, bitmap) : peekLogDirty(domain, bitmap);
        if (dirty < 0) throw new XenError(XEN_EINVAL, 'log-dirty mode is off');
        return { dirty };
      }
    }
  }

  vcpuInfo(
    domid: number,
    id: number,
  ): { online: boolean; blocked: boolean; running: boolean; cpuTime_ns: number } {
    const vcpu = this.#vcpu(domid, id);
    const { online, blocked, cpuTime_ns } = vcpu;
    return { online, blocked, running: vcpu.runnable, cpuTime_ns };
  }
}
