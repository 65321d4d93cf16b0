/*
 * What is in an image, and where: one pass over the file that leaves pages where they are and keeps the rest, the last of
 * each kind counting, as for a restore. Pages are read when they are asked for.
 */
import {
  carriesData,
  type DomainHeader,
  type ImageFile,
  type ImageHeader,
  ImageReader,
  type ImageSummary,
  type ImageVisitor,
  isXen2SharedInfo,
  type LibxlHeader,
  type P2mFrames,
  type PageData,
  type PvInfo,
  type RecordPlace,
  readFileAt,
  StreamError,
  sourceOfFile,
  type TscInfo,
  type XlHeader,
} from '@port-xen/migration-stream';

/** A record and what it is about. */
export interface IndexedRecord extends RecordPlace {
  /** Of PAGE_DATA. */
  pages?: { readonly count: number; readonly data: number; readonly first: number; last: number };
  /** Of vCPU records. */
  vcpu?: number;
}

/** What the records say of one vCPU. */
export interface IndexedVcpu {
  basic?: Uint8Array;
  extended?: Uint8Array;
  xsave?: Uint8Array;
  msrs?: Uint8Array;
}

const PAGE = 4096;
/** The type of a pfn that no record names. */
export const NEVER_CAME = 255;
/** Pages that are kept once they have been read. */
const CACHE = 4096;

export class ImageIndex implements ImageVisitor {
  readonly file: ImageFile;
  readonly records: IndexedRecord[] = [];
  readonly vcpus = new Map<number, IndexedVcpu>();
  xl: XlHeader | undefined;
  configText: string | undefined;
  configFormat: 'json' | 'cfg' | undefined;
  libxl: LibxlHeader | undefined;
  image: ImageHeader | undefined;
  domain: DomainHeader | undefined;
  guest: PvInfo | undefined;
  cpuidLeaves: Uint8Array | undefined;
  msrEntries: Uint8Array | undefined;
  leafPfns = new Int32Array(0);
  tsc: TscInfo | undefined;
  sharedInfoPage: Uint8Array | undefined;
  /** Type of each pfn, 0 … 15, or NEVER_CAME. */
  types = new Uint8Array(0);
  summary: ImageSummary | undefined;
  /** What ended the reading before the image's end. */
  fault: StreamError | undefined;
  #offsets = new Float64Array(0);
  readonly #cache = new Map<number, Uint8Array>();

  constructor(file: ImageFile) {
    this.file = file;
    try {
      this.summary = new ImageReader(sourceOfFile(file)).read(this);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      this.fault = error;
    }
  }

  /** The Xen whose interface its domain has, as its shared_info shows. */
  get interface(): 'xen-3.0' | 'xen-2.0' {
    const { sharedInfoPage } = this;
    return sharedInfoPage !== undefined && isXen2SharedInfo(sharedInfoPage) ? 'xen-2.0' : 'xen-3.0';
  }

  get maxPfn(): number {
    return this.types.length - 1;
  }

  /** How many pages have contents, however often they came. */
  get pages(): number {
    return this.types.reduce((pages, type) => pages + (carriesData(type) ? 1 : 0), 0);
  }

  /** The contents of a page as the image has them: a page table names pages by pfn. Undefined when it has none. */
  page(pfn: number): Uint8Array | undefined {
    const known = this.#cache.get(pfn);
    if (known !== undefined) return known;
    const page = new Uint8Array(PAGE);
    if (!this.readPage(pfn, page)) return undefined;
    if (this.#cache.size >= CACHE) this.#cache.clear();
    this.#cache.set(pfn, page);
    return page;
  }

  /** Reads a page's contents into a buffer, for whoever goes through all of them. @returns whether it has some */
  readPage(pfn: number, into: Uint8Array): boolean {
    const offset = this.#offsets[pfn] ?? 0;
    if (offset === 0 || offset + PAGE > this.file.size) return false;
    readFileAt(this.file, offset, into);
    return true;
  }

  record(place: RecordPlace): void {
    this.records.push({ ...place });
  }

  xlHeader(header: XlHeader): void {
    this.xl = header;
  }

  config(text: string, format: 'json' | 'cfg'): void {
    this.configText = text;
    this.configFormat = format;
  }

  libxlHeader(header: LibxlHeader): void {
    this.libxl = header;
  }

  imageHeader(header: ImageHeader): void {
    this.image = header;
  }

  domainHeader(header: DomainHeader): void {
    this.domain = header;
  }

  pvInfo(info: PvInfo): void {
    this.guest = info;
  }

  cpuidPolicy(leaves: Uint8Array): void {
    this.cpuidLeaves = leaves;
  }

  msrPolicy(entries: Uint8Array): void {
    this.msrEntries = entries;
  }

  p2mFrames({ startPfn, endPfn, pfns }: P2mFrames): void {
    const size = Math.max(endPfn + 1, this.types.length);
    const types = new Uint8Array(size).fill(NEVER_CAME);
    const offsets = new Float64Array(size);
    types.set(this.types);
    offsets.set(this.#offsets);
    this.types = types;
    this.#offsets = offsets;
    const first = Math.floor(startPfn / 512);
    const leaves = new Int32Array(Math.max(first + pfns.length, this.leafPfns.length)).fill(-1);
    leaves.set(this.leafPfns);
    leaves.set(pfns, first);
    this.leafPfns = leaves;
  }

  pageData({ pfns, types, dataCount, dataOffset, verify }: PageData): void {
    const record = this.records.at(-1);
    const [first = 0] = pfns;
    if (record !== undefined) {
      record.pages = { count: pfns.length, data: dataCount, first, last: pfns.at(-1) ?? 0 };
    }
    let offset = dataOffset;
    for (const [i, pfn] of pfns.entries()) {
      const type = types[i] as number;
      this.types[pfn] = type;
      if (type >= 13) continue;
      if (!verify) this.#offsets[pfn] = offset;
      offset += PAGE;
    }
  }

  tscInfo(info: TscInfo): void {
    this.tsc = info;
  }

  sharedInfo(page: Uint8Array): void {
    this.sharedInfoPage = page;
  }

  vcpuBasic(vcpu: number, context: Uint8Array): void {
    this.#vcpu(vcpu).basic = context;
  }

  vcpuExtended(vcpu: number, context: Uint8Array): void {
    this.#vcpu(vcpu).extended = context;
  }

  vcpuXsave(vcpu: number, area: Uint8Array): void {
    this.#vcpu(vcpu).xsave = area;
  }

  vcpuMsrs(vcpu: number, entries: Uint8Array): void {
    this.#vcpu(vcpu).msrs = entries;
  }

  #vcpu(id: number): IndexedVcpu {
    const record = this.records.at(-1);
    if (record !== undefined) record.vcpu = id;
    const known = this.vcpus.get(id) ?? {};
    this.vcpus.set(id, known);
    return known;
  }
}
