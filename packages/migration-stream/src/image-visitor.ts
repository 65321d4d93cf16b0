/*
 * What a reader tells as it goes through a save file. Every method may be left out. Numbers are given as the
 * file has them; field names are those of the C structs. Bodies (`Uint8Array`) are the visitor's to keep,
 * except where it says otherwise.
 */

/** What a file starts with: xl's header, libxl's, or libxc's. */
export type ImageKind = 'xl' | 'libxl' | 'libxc';

/** The 48 bytes that an `xl save` file starts with, magic and byte order apart. */
export interface XlHeader {
  /** Bit 0: the configuration is JSON. Bit 1: a libxl stream follows. */
  readonly mandatory_flags: number;
  readonly optional_flags: number;
  /** Bytes between this header and libxl's. */
  readonly optional_data_len: number;
}

/** The start of a libxl stream. */
export interface LibxlHeader {
  readonly version: number;
  readonly options: number;
}

/** The start of a libxc stream. */
export interface ImageHeader {
  /** 2 or 3. */
  readonly version: number;
  readonly options: number;
}

/** What the domain is, and which Xen it comes from; `xen_major` 0 means converted from an older format. */
export interface DomainHeader {
  readonly type: number;
  readonly page_shift: number;
  readonly xen_major: number;
  readonly xen_minor: number;
}

/** Bytes in a guest's word and levels of its page tables. */
export interface PvInfo {
  readonly guest_width: number;
  readonly pt_levels: number;
}

/** Where the guest's own P2M is: the pfn of each page of it. */
export interface P2mFrames {
  readonly startPfn: number;
  /** The last pfn of the domain, so one less than their number. */
  readonly endPfn: number;
  /** The pages that hold the P2M's entries for startPfn … endPfn, 512 (of 8 bytes) in each. */
  readonly pfns: Int32Array;
}

/** A batch of pages. */
export interface PageData {
  /** A pfn may come again, even in the same batch: the last one counts. Valid until the visitor returns. */
  readonly pfns: Int32Array;
  /** A type for each pfn, 0 … 15 ({@link carriesData}, {@link tableLevel}). Valid until the visitor returns. */
  readonly types: Uint8Array;
  /** How many of them have data. */
  readonly dataCount: number;
  /** Offset of the record. */
  readonly offset: number;
  /** Offset of the first page's data. */
  readonly dataOffset: number;
  /** After a VERIFY record: the data is to be compared with what is there, not stored. */
  readonly verify: boolean;
}

/**
 * Reads the next bytes of a record straight into the caller's buffer: for pages, a whole number of them.
 * Only until the visitor returns; what it has not read then is passed over.
 */
export type BodyReader = (into: Uint8Array) => void;

/** Passes over the next pages of a record. Only until the visitor returns. */
export type PageSkipper = (pages: number) => void;

/** How a domain's TSC goes on. */
export interface TscInfo {
  readonly mode: number;
  readonly khz: number;
  /** How long it has run; 64 bits. */
  readonly nsec: bigint;
  readonly incarnation: number;
}

/** Any record, as it lies in the file. */
export interface RecordPlace {
  readonly layer: 'libxl' | 'libxc';
  readonly type: number;
  readonly name: string;
  /** Offset of its 8-byte header. */
  readonly offset: number;
  /** Bytes of body, without the padding to the next multiple of 8. */
  readonly length: number;
}

/** A record that its writer allows a reader not to know. */
export interface UnknownRecord {
  readonly type: number;
  readonly length: number;
  readonly offset: number;
}

export interface ImageVisitor {
  /** Every record, before its own method and before its body is looked at. */
  record?(place: RecordPlace): void;
  xlHeader?(header: XlHeader): void;
  /** The domain's configuration: libxl's JSON, or the text of an xl.cfg. */
  config?(text: string, format: 'json' | 'cfg'): void;
  libxlHeader?(header: LibxlHeader): void;
  imageHeader?(header: ImageHeader): void;
  domainHeader?(header: DomainHeader): void;
  pvInfo?(info: PvInfo): void;
  /** Leaves of 24 bytes: leaf, subleaf, eax, ebx, ecx, edx. */
  cpuidPolicy?(leaves: Uint8Array): void;
  /** Entries of 16 bytes: index, flags, value. */
  msrPolicy?(entries: Uint8Array): void;
  /**
   * @param missing bit 0: no CPUID policy came before it, bit 1: no MSR policy
   * @param implied a version 2 stream has no such record: this is where it would stand
   */
  staticDataEnd?(missing: number, implied: boolean): void;
  p2mFrames?(frames: P2mFrames): void;
  pageData?(data: PageData, readPage: BodyReader, skipPages: PageSkipper): void;
  tscInfo?(info: TscInfo): void;
  sharedInfo?(page: Uint8Array): void;
  /** A vcpu_guest_context. The four kinds may come at any time, and again (the last counts): keep them until `end`. */
  vcpuBasic?(vcpu: number, context: Uint8Array): void;
  vcpuExtended?(vcpu: number, context: Uint8Array): void;
  /** xcr0, xcr0_accum, and the XSAVE area. */
  vcpuXsave?(vcpu: number, area: Uint8Array): void;
  /** Entries of 16 bytes: index, reserved, value. */
  vcpuMsrs?(vcpu: number, entries: Uint8Array): void;
  /** From here on pages are to be compared. */
  verify?(): void;
  unknownOptional?(record: UnknownRecord, readBody: BodyReader): void;
  /** The end of libxc's part: everything that a domain needs has come. */
  end?(): void;
}

/** What a save file held. */
export interface ImageSummary {
  readonly kind: ImageKind;
  /** Bytes read; what follows them in the file was not looked at. */
  readonly size: number;
  /** Of the libxc stream: 2 or 3. */
  readonly version: number;
  readonly xen_major: number;
  readonly xen_minor: number;
  readonly guest_width: number;
  /** The domain's last pfn. */
  readonly maxPfn: number;
  /** Policies that did not come before the end of static data: bit 0 CPUID, bit 1 MSR. */
  readonly missing: number;
  /** libxc's records, END included. */
  readonly records: number;
  /** Pages with data. */
  readonly pages: number;
  /** The vCPUs with a BASIC record, ascending. */
  readonly vcpus: readonly number[];
}
