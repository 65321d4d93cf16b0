/*
 * What a restore does while the file is still being read: makes the domain as soon as its size is known, takes its pages,
 * and keeps all else, the last of each kind counting, with the place where it stood.
 *
 * An xl file says in its configuration what domain to make. A bare libxl or libxc stream does not: it is taken for a domain
 * of one vCPU with as many pages as its P2M has entries.
 */
import type { Hypervisor } from '@port-xen/hypervisor';
import {
  type BodyReader,
  type ImageVisitor,
  type P2mFrames,
  type PageData,
  type PageSkipper,
  type RecordPlace,
  StreamError,
  type TscInfo,
} from '@port-xen/migration-stream';
import { MAXMEM_SLACK_KIB } from './domain-maker.ts';
import type { ImagePlace } from './refusal.ts';
import { RestoredMemory, type RestoredMemoryOptions } from './restored-memory.ts';
import { type KeptRecord, RestoredVcpus, type RestoreTarget } from './restored-vcpus.ts';
import { ToolstackError } from './toolstack-error.ts';

/** What a domain is made from. */
export interface IntakeHooks extends RestoredMemoryOptions {
  /** The configuration that the file has, in its format; called before {@link makeDomain}, or not at all. */
  config(text: string, format: 'json' | 'cfg'): void;
  /**
   * Makes a domain without memory.
   * @param barePages how many pages a bare stream has; undefined for an xl file
   */
  makeDomain(barePages: number | undefined): RestoreTarget;
}

const PER_PAGE = 512;
const KIB_PER_PAGE = 4;
/** Pfns that an image may have for each page of memory, and beside: what is ballooned out leaves holes. */
const HOLES_FACTOR = 16;
const HOLES_FREE = 1 << 18;

export class ImageIntake implements ImageVisitor {
  readonly #hv: Hypervisor;
  readonly #hooks: IntakeHooks;
  #made: { target: RestoreTarget; memory: RestoredMemory } | undefined;
  #bare = true;
  #place: ImagePlace = { offset: 0, record: undefined };
  /** The pages of the P2M, and where they were named last. */
  leafPfns = new Int32Array(0);
  p2mPlace: ImagePlace = this.#place;
  endPlace: ImagePlace = this.#place;
  sharedInfoPage: KeptRecord | undefined;
  tsc: { readonly info: TscInfo; readonly place: ImagePlace } | undefined;
  leaves: KeptRecord | undefined;
  msrs: KeptRecord | undefined;
  readonly vcpus = new RestoredVcpus();

  constructor(hv: Hypervisor, hooks: IntakeHooks) {
    this.#hv = hv;
    this.#hooks = hooks;
  }

  /** The domain: there is one from libxl's header on, or from the first word on the size of a bare stream. */
  get made(): { readonly target: RestoreTarget; readonly memory: RestoredMemory } {
    if (this.#made !== undefined) return this.#made;
    throw new ToolstackError('expected a domain before its records, found none');
  }

  get maxVcpuId(): number {
    return this.#bare ? 0 : this.made.target.config.maxVcpus - 1;
  }

  record({ name, offset }: RecordPlace): void {
    this.#place = { offset, record: name };
  }

  xlHeader(): void {
    this.#bare = false;
  }

  config(text: string, format: 'json' | 'cfg'): void {
    this.#hooks.config(text, format);
  }

  libxlHeader(): void {
    if (!this.#bare) this.#make(undefined);
  }

  cpuidPolicy(leaves: Uint8Array): void {
    this.leaves = this.#kept(leaves);
  }

  msrPolicy(entries: Uint8Array): void {
    this.msrs = this.#kept(entries);
  }

  p2mFrames({ startPfn, endPfn, pfns }: P2mFrames): void {
    if (this.#made === undefined) this.#make(endPfn + 1);
    const { target, memory } = this.made;
    if (this.#bare) this.#growBare(Math.max(endPfn, memory.maxPfn) + 1);
    else this.#checkHoles(endPfn + 1, target.config.maxMem_kib);
    memory.extend(endPfn);
    const first = Math.floor(startPfn / PER_PAGE);
    if (first + pfns.length > this.leafPfns.length) {
      const larger = new Int32Array(first + pfns.length).fill(-1);
      larger.set(this.leafPfns);
      this.leafPfns = larger;
    }
    this.leafPfns.set(pfns, first);
    this.p2mPlace = this.#place;
  }

  pageData(data: PageData, readPage: BodyReader, skipPages: PageSkipper): void {
    this.made.memory.take(data, readPage, skipPages);
  }

  tscInfo(info: TscInfo): void {
    this.tsc = { info, place: this.#place };
  }

  sharedInfo(page: Uint8Array): void {
    this.sharedInfoPage = this.#kept(page);
  }

  vcpuBasic(vcpu: number, context: Uint8Array): void {
    this.vcpus.at(vcpu).basic = this.#kept(context);
  }

  vcpuExtended(vcpu: number, context: Uint8Array): void {
    this.vcpus.at(vcpu).extended = this.#kept(context);
  }

  vcpuXsave(vcpu: number, area: Uint8Array): void {
    this.vcpus.at(vcpu).xsave = this.#kept(area);
  }

  vcpuMsrs(vcpu: number, entries: Uint8Array): void {
    this.vcpus.at(vcpu).msrs = this.#kept(entries);
  }

  end(): void {
    this.endPlace = this.#place;
  }

  #kept(bytes: Uint8Array): KeptRecord {
    return { bytes, place: this.#place };
  }

  #make(barePages: number | undefined): void {
    const target = this.#hooks.makeDomain(barePages);
    const memory = new RestoredMemory(this.#hv, target.domid, this.#hooks);
    this.#made = { target, memory };
  }

  #growBare(pages: number): void {
    const kib = pages * KIB_PER_PAGE + MAXMEM_SLACK_KIB;
    this.#hv.domctl.maxMem(this.made.target.domid, kib);
  }

  #checkHoles(pages: number, maxMem_kib: number): void {
    const limit = HOLES_FREE + (maxMem_kib / KIB_PER_PAGE) * HOLES_FACTOR;
    if (pages <= limit) return;
    throw new StreamError({
      words: 'Image with too many holes',
      expected: `at most ${limit} pfns for a domain of ${maxMem_kib} KiB`,
      found: `${pages}`,
      ...this.#place,
    });
  }
}
