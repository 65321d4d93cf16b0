/*
 * A domain out of a save file (xc_domain_restore and the half of libxl around it). The file is read once, front to back, and
 * is taken for hostile: migration-stream checks what can be checked without a domain, this file the rest. The domain is
 * made when the configuration is known; pages go straight from the file into its frames; all else is kept until the file
 * has ended well, and applied then, in libxenguest's order.
 */

import type { Hypervisor } from '@port-xen/hypervisor';
import { st64 } from '@port-xen/layout';
import {
  ImageReader,
  type ImageSummary,
  type ImageVisitor,
  mergeSharedInfo,
  type Source,
  type TscInfo,
} from '@port-xen/migration-stream';
import { seedGrants } from './domain-builder.ts';
import { GuestFrames } from './guest-frames.ts';
import { hex } from './hex.ts';
import { RestoredMemory } from './restored-memory.ts';
import { RestoredVcpus, type RestoreTarget } from './restored-vcpus.ts';
import type { HostHandles } from './start-info.ts';
import { ToolstackError } from './toolstack-error.ts';

/** What restoring asks of the caller. */
export interface RestoreHooks {
  /** The configuration that the file has, in its format; called before {@link makeDomain}, or not at all. */
  config(text: string, format: 'json' | 'cfg'): void;
  /** Makes a domain without memory. */
  makeDomain(): RestoreTarget;
  /** Looks at the memory before anything runs in it; throws a sentence to refuse. */
  checkKernel(pageAt: (pfn: number) => Uint8Array | undefined): void;
}

const PER_PAGE = 512;
/** Pfns that an image may have for each page of memory, and beside: what is ballooned out leaves holes. */
const HOLES_FACTOR = 16;
const HOLES_FREE = 1 << 18;

class Restore implements ImageVisitor {
  readonly #hv: Hypervisor;
  readonly #hooks: RestoreHooks;
  #target: RestoreTarget | undefined;
  #memory: RestoredMemory | undefined;
  #leafPfns = new Int32Array(0);
  #sharedInfo: Uint8Array | undefined;
  #tsc: TscInfo | undefined;
  #leaves: Uint8Array | undefined;
  #msrPolicy: Uint8Array | undefined;
  readonly #vcpus = new RestoredVcpus();

  constructor(hv: Hypervisor, hooks: RestoreHooks) {
    this.#hv = hv;
    this.#hooks = hooks;
  }

  get maxVcpuId(): number {
    return this.#made.target.config.maxVcpus - 1;
  }

  config(text: string, format: 'json' | 'cfg'): void {
    this.#hooks.config(text, format);
  }

  libxlHeader(): void {
    this.#target = this.#hooks.makeDomain();
    this.#memory = new RestoredMemory(this.#hv, this.#target.domid);
  }

  cpuidPolicy(leaves: Uint8Array): void {
    this.#leaves = leaves;
  }

  msrPolicy(entries: Uint8Array): void {
    this.#msrPolicy = entries;
  }

  p2mFrames({
    startPfn,
    endPfn,
    pfns,
  }: Parameters<NonNullable<ImageVisitor['p2mFrames']>>[0]): void {
    const { target, memory } = this.#made;
    const limit = HOLES_FREE + (target.config.maxMem_kib / 4) * HOLES_FACTOR;
    if (endPfn >= limit) {
      throw new ToolstackError(
        `expected at most ${limit} pfns for a domain of ${target.config.maxMem_kib} KiB, found an image with ${endPfn + 1}`,
      );
    }
    memory.extend(endPfn);
    const first = Math.floor(startPfn / PER_PAGE);
    if (first + pfns.length > this.#leafPfns.length) {
      const larger = new Int32Array(first + pfns.length).fill(-1);
      larger.set(this.#leafPfns);
      this.#leafPfns = larger;
    }
    this.#leafPfns.set(pfns, first);
  }

  pageData(...[data, readPage]: Parameters<NonNullable<ImageVisitor['pageData']>>): void {
    this.#made.memory.take(data, readPage);
  }

  tscInfo(info: TscInfo): void {
    this.#tsc = info;
  }

  sharedInfo(page: Uint8Array): void {
    this.#sharedInfo = page;
  }

  vcpuBasic(vcpu: number, context: Uint8Array): void {
    this.#vcpus.at(vcpu).basic = context;
  }

  vcpuExtended(vcpu: number, context: Uint8Array): void {
    this.#vcpus.at(vcpu).extended = context;
  }

  vcpuXsave(vcpu: number, area: Uint8Array): void {
    this.#vcpus.at(vcpu).xsave = area;
  }

  vcpuMsrs(vcpu: number, entries: Uint8Array): void {
    this.#vcpus.at(vcpu).msrs = entries;
  }

  /** The file has ended well: makes a domain of what it held. */
  finish(): {
    target: RestoreTarget;
    handles: HostHandles;
    memory: RestoredMemory;
    pinned: number;
  } {
    const { target, memory } = this.#made;
    const { domid } = target;
    const { domctl } = this.#hv;
    memory.localiseTables();
    this.#hooks.checkKernel((pfn) => {
      const mfn = memory.pfnToMfn(pfn);
      return mfn < 0 ? undefined : this.#frames.copy(mfn);
    });
    const sharedInfoMfn = domctl.getDomainInfo(domid).sharedInfoMfn;
    this.#frames.with(sharedInfoMfn, (page) => {
      if (this.#sharedInfo !== undefined) mergeSharedInfo(page, this.#sharedInfo);
    });
    if (this.#tsc !== undefined) domctl.setTscInfo(domid, this.#tsc);
    if (this.#leaves !== undefined || this.#msrPolicy !== undefined) {
      const none = new Uint8Array(0);
      domctl.setCpuPolicy(domid, { leaves: this.#leaves ?? none, msrs: this.#msrPolicy ?? none });
    }
    const handles = this.#vcpus.start(this.#hv, target, memory, sharedInfoMfn);
    const pinned = memory.pin();
    this.#writeP2m();
    seedGrants(this.#hv, domid, handles);
    return { target, handles, memory, pinned };
  }

  get #made(): { target: RestoreTarget; memory: RestoredMemory } {
    const target = this.#target;
    const memory = this.#memory;
    if (target !== undefined && memory !== undefined) return { target, memory };
    throw new ToolstackError('expected a libxl stream before the records of a domain, found none');
  }

  get #frames(): GuestFrames {
    return new GuestFrames(this.#hv, this.#made.target.domid);
  }

  /** The new MFNs, into the guest's own list. */
  #writeP2m(): void {
    const { memory } = this.#made;
    for (const [page, pfn] of this.#leafPfns.entries()) {
      const mfn = memory.pfnToMfn(pfn);
      if (mfn < 0 || memory.typeOf(pfn) !== 0) {
        throw new ToolstackError(
          `expected p2m_frame_list[${page}] (pfn ${hex(pfn)}) to be an ordinary page of the image, found type ${memory.typeOf(pfn)}`,
        );
      }
      this.#frames.with(mfn, (_, words) => {
        for (let i = 0; i < PER_PAGE; i++) st64(words, i * 8, memory.pfnToMfn(page * PER_PAGE + i));
      });
    }
  }
}

/** A domain that has been restored, not yet known to any daemon. */
export interface RestoredDomain {
  readonly target: RestoreTarget;
  readonly handles: HostHandles;
  readonly memory: RestoredMemory;
  readonly summary: ImageSummary;
  readonly pinned: number;
}

/**
 * Restores a domain from a save file.
 *
 * @throws StreamError, FrameError, ToolstackError or XenError; a domain that `makeDomain` made is then the caller's to destroy
 */
export const restoreImage = (
  hv: Hypervisor,
  source: Source,
  hooks: RestoreHooks,
): RestoredDomain => {
  const restore = new Restore(hv, hooks);
  const reader = new ImageReader(source, {
    accept: ['xl'],
    maxVcpuId: () => restore.maxVcpuId,
  });
  const summary = reader.read(restore);
  return { ...restore.finish(), summary };
};
