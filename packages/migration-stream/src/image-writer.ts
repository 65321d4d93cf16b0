/*
 * Writes a save file front to back, as Xen 4.17's tools write it, and refuses what they would not: each method
 * writes one header or record, in the order of FOLLOWS. Sizes are checked as genuine restore code checks them.
 */
import {
  LIBXL_REC_END,
  LIBXL_REC_LIBXC_CONTEXT,
  stream_xc_p2m_frames,
  stream_xc_pv_info,
  stream_xc_tsc_info,
  stream_xc_vcpu_hdr,
  stream_xsave_hdr,
  vcpu_guest_context,
  XC_REC_TYPE_END,
  XC_REC_TYPE_SHARED_INFO,
  XC_REC_TYPE_STATIC_DATA_END,
  XC_REC_TYPE_VERIFY,
  XC_REC_TYPE_X86_CPUID_POLICY,
  XC_REC_TYPE_X86_MSR_POLICY,
  XC_REC_TYPE_X86_PV_INFO,
  XC_REC_TYPE_X86_PV_P2M_FRAMES,
  XC_REC_TYPE_X86_PV_VCPU_BASIC,
  XC_REC_TYPE_X86_PV_VCPU_EXTENDED,
  XC_REC_TYPE_X86_PV_VCPU_MSRS,
  XC_REC_TYPE_X86_PV_VCPU_XSAVE,
  XC_REC_TYPE_X86_TSC_INFO,
} from '@port-xen/abi';
import { BytesMemory, stPair } from '@port-xen/layout';
import type { TscInfo } from './image-visitor.ts';
import { domainHeader, imageHeader } from './libxc-header.ts';
import { libxlHeader } from './libxl-stream.ts';
import { PageDataOutput } from './page-data-output.ts';
import { PAGE_SIZE } from './page-type.ts';
import { RecordOutput, type Sink } from './record-output.ts';
import { BODY_MAX, LEAF_SIZE, MSR_ENTRY_SIZE } from './static-records.ts';
import { EXTENDED_MAX } from './vcpu-record.ts';
import { FOLLOWS, nextSteps, type Step } from './write-order.ts';
import { WriterBug } from './writer-bug.ts';
import { xlHeader } from './xl-header.ts';

/** Pfns whose P2M entries fill a page. */
const P2M_PER_PAGE = PAGE_SIZE / 8;

/** @throws WriterBug from every method, for a record out of order or of a wrong size */
export class ImageWriter {
  readonly #output: RecordOutput;
  readonly #pages = new PageDataOutput();
  #step: Step = 'start';
  #inLibxl = false;
  #maxPfn = -1;
  #vcpu = -1;

  constructor(sink: Sink) {
    this.#output = new RecordOutput(sink);
  }

  /** Bytes written. */
  get offset(): number {
    return this.#output.offset;
  }

  /** xl's header, with the configuration as libxl's JSON, or without one. */
  xlHeader(configJson?: string): void {
    this.#enter('xlHeader');
    this.#output.raw([xlHeader(configJson)]);
  }

  libxlHeader(): void {
    this.#enter('libxlHeader');
    this.#inLibxl = true;
    this.#output.raw([libxlHeader()]);
  }

  libxcContext(): void {
    this.#enter('libxcContext');
    this.#output.record(LIBXL_REC_LIBXC_CONTEXT);
  }

  imageHeader(): void {
    this.#enter('imageHeader');
    this.#output.raw([imageHeader()]);
  }

  /** The version of Xen that the domain ran on. */
  domainHeader(xenMajor: number, xenMinor: number): void {
    this.#enter('domainHeader');
    this.#output.raw([domainHeader(xenMajor, xenMinor)]);
  }

  /** A 64-bit guest with four levels of page tables. */
  x86PvInfo(): void {
    this.#enter('x86PvInfo');
    const body = new Uint8Array(stream_xc_pv_info.size);
    const info = stream_xc_pv_info.at(new BytesMemory(body), 0);
    info.guest_width = 8;
    info.pt_levels = 4;
    this.#output.record(XC_REC_TYPE_X86_PV_INFO, body);
  }

  /** Leaves of 24 bytes: leaf, subleaf (all ones: none), eax, ebx, ecx, edx. */
  cpuidPolicy(leaves: Uint8Array): void {
    this.#enter('cpuidPolicy');
    this.#units('CPUID leaves', leaves, LEAF_SIZE);
    this.#output.record(XC_REC_TYPE_X86_CPUID_POLICY, leaves);
  }

  /** Entries of 16 bytes: index, flags 0, value u64. */
  msrPolicy(entries: Uint8Array): void {
    this.#enter('msrPolicy');
    this.#units('MSR entries', entries, MSR_ENTRY_SIZE);
    this.#output.record(XC_REC_TYPE_X86_MSR_POLICY, entries);
  }

  staticDataEnd(): void {
    this.#enter('staticDataEnd');
    this.#output.record(XC_REC_TYPE_STATIC_DATA_END);
  }

  /** The domain's last pfn, and the pfn of each page that holds its P2M, from pfn 0's on. */
  p2mFrames(endPfn: number, pfns: Int32Array): void {
    this.#enter('p2mFrames');
    const bad = pfns.findIndex((pfn) => pfn < 0 || pfn > endPfn);
    if (bad >= 0) throw this.#refuse(`P2M frames of 0 … ${endPfn}`, `${pfns[bad]}`);
    const count = Math.floor(endPfn / P2M_PER_PAGE) + 1;
    if (pfns.length !== count) {
      throw this.#refuse(`${count} P2M frames for pfns 0 … ${endPfn}`, `${pfns.length}`);
    }
    const body = new Uint8Array(stream_xc_p2m_frames.size + count * 8);
    const memory = new BytesMemory(body);
    stream_xc_p2m_frames.at(memory, 0).end_pfn = endPfn;
    for (const [i, pfn] of pfns.entries()) memory.st32(stream_xc_p2m_frames.size + i * 8, pfn);
    this.#output.record(XC_REC_TYPE_X86_PV_P2M_FRAMES, body);
    this.#maxPfn = endPfn;
  }

  /**
   * A batch of at most 1024 pages.
   *
   * @param types a nibble for each pfn ({@link carriesData})
   * @param pages the data of those that have some, in order; neighbours may be one chunk. Not copied.
   */
  pageData(pfns: Int32Array, types: Uint8Array, pages: readonly Uint8Array[]): void {
    this.#enter('pageData');
    const refuse = (expected: string, found: string) => this.#refuse(expected, found);
    this.#pages.write(this.#output, this.#maxPfn, pfns, types, pages, refuse);
  }

  /** After it, all pages again, for the reader to compare. */
  verify(): void {
    this.#enter('verify');
    this.#output.record(XC_REC_TYPE_VERIFY);
  }

  tscInfo({ mode, khz, nsec, incarnation }: TscInfo): void {
    this.#enter('tscInfo');
    const body = new Uint8Array(stream_xc_tsc_info.size);
    const info = stream_xc_tsc_info.at(new BytesMemory(body), 0);
    info.mode = mode;
    info.khz = khz;
    const low = Number(BigInt.asIntN(32, nsec));
    stPair(
      info.memory,
      stream_xc_tsc_info.offset.nsec,
      low,
      Number(BigInt.asIntN(32, nsec >> 32n)),
    );
    info.incarnation = incarnation;
    this.#output.record(XC_REC_TYPE_X86_TSC_INFO, body);
  }

  /** The shared_info page as it is, stale frame numbers and all. */
  sharedInfo(page: Uint8Array): void {
    this.#enter('sharedInfo');
    this.#size('a shared_info page', page, PAGE_SIZE, PAGE_SIZE);
    this.#output.record(XC_REC_TYPE_SHARED_INFO, page);
  }

  /** A vcpu_guest_context, canonicalised ({@link canonicaliseVcpu0}); vCPU 0 first, then ascending. */
  vcpuBasic(vcpu: number, context: Uint8Array): void {
    if (vcpu <= this.#vcpu || (this.#vcpu === -1 && vcpu !== 0)) {
      throw this.#refuse(this.#vcpu < 0 ? 'vCPU 0' : `a vCPU above ${this.#vcpu}`, `vCPU ${vcpu}`);
    }
    this.#enter('vcpuBasic');
    this.#size('a vcpu_guest_context', context, vcpu_guest_context.size, vcpu_guest_context.size);
    this.#vcpu = vcpu;
    this.#writeVcpu(XC_REC_TYPE_X86_PV_VCPU_BASIC, vcpu, context);
  }

  /** What XEN_DOMCTL_get_ext_vcpucontext gave. */
  vcpuExtended(vcpu: number, context: Uint8Array): void {
    this.#enter('vcpuExtended');
    this.#size('an extended vCPU context', context, 1, EXTENDED_MAX);
    this.#writeVcpu(XC_REC_TYPE_X86_PV_VCPU_EXTENDED, vcpu, context);
  }

  /** xcr0 u64, xcr0_accum u64, and the XSAVE area. */
  vcpuXsave(vcpu: number, area: Uint8Array): void {
    this.#enter('vcpuXsave');
    this.#size('an XSAVE area', area, stream_xsave_hdr.size, BODY_MAX);
    this.#writeVcpu(XC_REC_TYPE_X86_PV_VCPU_XSAVE, vcpu, area);
  }

  /** Entries of 16 bytes: index, 0, value u64. */
  vcpuMsrs(vcpu: number, entries: Uint8Array): void {
    this.#enter('vcpuMsrs');
    this.#units('MSR entries', entries, MSR_ENTRY_SIZE);
    this.#writeVcpu(XC_REC_TYPE_X86_PV_VCPU_MSRS, vcpu, entries);
  }

  /** The end of libxc's stream, and of a bare one. */
  end(): void {
    this.#enter('end');
    this.#output.record(XC_REC_TYPE_END);
  }

  /** The end of libxl's stream. */
  libxlEnd(): void {
    if (!this.#inLibxl) throw this.#refuse('nothing after the end of a bare stream', 'libxlEnd');
    this.#enter('libxlEnd');
    this.#output.record(LIBXL_REC_END);
  }

  #writeVcpu(type: number, vcpu: number, body: Uint8Array): void {
    if (vcpu !== this.#vcpu) throw this.#refuse(`vCPU ${this.#vcpu}`, `vCPU ${vcpu}`);
    const head = new Uint8Array(stream_xc_vcpu_hdr.size);
    stream_xc_vcpu_hdr.at(new BytesMemory(head), 0).vcpu_id = vcpu;
    this.#output.record(type, head, body);
  }

  #enter(step: Step): void {
    if (!FOLLOWS[step].includes(this.#step)) {
      const next = nextSteps(this.#step).join(' or ') || 'nothing';
      throw this.#refuse(`${next} after ${this.#step}`, step);
    }
    this.#step = step;
  }

  #size(what: string, { length }: Uint8Array, min: number, max: number): void {
    if (length < min || length > max) {
      throw this.#refuse(`${what} of ${min} … ${max} bytes`, `${length}`);
    }
  }

  #units(what: string, { length }: Uint8Array, unit: number): void {
    if (length === 0 || length % unit !== 0) {
      throw this.#refuse(`${what} of ${unit} bytes each, at least one`, `${length} bytes`);
    }
  }

  #refuse(expected: string, found: string): WriterBug {
    return new WriterBug(expected, found, this.offset);
  }
}
