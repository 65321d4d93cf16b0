/*
 * What has come so far of a libxc stream, as far as it decides what may come next. It holds no page, no type
 * and no vCPU: those are the visitor's.
 */
import type { Cursor } from './cursor.ts';
import type { ImageVisitor, PvInfo } from './image-visitor.ts';

/** What a reader refuses beyond what genuine restore code refuses, and what it knows of the new domain. */
export interface ReaderOptions {
  /** The largest last pfn that it takes: 2^27 - 1 (512 GiB, what a tree of frame lists can hold) unless given. */
  readonly maxPfn?: number;
  /**
   * The new domain's last vCPU, asked at each vCPU record: by then the visitor has seen the configuration.
   * 8191 unless given.
   */
  readonly maxVcpuId?: () => number;
  /** Whether a 32-bit guest (width 4, three levels) is taken: no, unless true. */
  readonly compat?: boolean;
}

export class RestoreState {
  readonly cursor: Cursor;
  readonly visitor: ImageVisitor;
  /** The largest last pfn that is taken. */
  readonly pfnLimit: number;
  readonly maxVcpuId: () => number;
  readonly compat: boolean;
  /** Of the image header. */
  version = 0;
  /** Of the domain header. */
  xen_major = 0;
  xen_minor = 0;
  pvInfo: PvInfo | undefined;
  seenCpuidPolicy = false;
  seenMsrPolicy = false;
  seenStaticDataEnd = false;
  /** Policies that had not come at the end of static data: bit 0 CPUID, bit 1 MSR. */
  missing = 0;
  /** The domain's last pfn; -1 before P2M_FRAMES. */
  maxPfn = -1;
  /** For each page of the P2M its pfn; -1 for one that has not been named. */
  p2mFrames = new Int32Array(0);
  verify = false;
  records = 0;
  pages = 0;
  /** The vCPUs that have a BASIC record. */
  readonly vcpus = new Set<number>();

  constructor(cursor: Cursor, visitor: ImageVisitor, options: ReaderOptions) {
    const { maxPfn = 2 ** 27 - 1, maxVcpuId = () => 8191, compat = false } = options;
    if (!Number.isInteger(maxPfn) || maxPfn < 0 || maxPfn >= 2 ** 31) {
      throw new RangeError(`expected a maxPfn of 0 … 2^31 - 1, found ${maxPfn}`);
    }
    this.cursor = cursor;
    this.visitor = visitor;
    this.pfnLimit = maxPfn;
    this.maxVcpuId = maxVcpuId;
    this.compat = compat;
  }
}

/** A record whose header has been read. */
export interface StreamRecord {
  readonly type: number;
  readonly name: string;
  readonly length: number;
}
