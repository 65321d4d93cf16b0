/*
 * How two images differ: what they say of themselves, record by record; their memory, page by page; and, where both are of
 * the kernel here, its structures field by field.
 */
import { KERNBASE, PAGE_SIZE } from '@port-xen/kern';
import { carriesData, tableLevel } from '@port-xen/migration-stream';
import { flatJson } from './flat-json.ts';
import { type ImageIndex, type IndexedRecord, NEVER_CAME } from './image-index.ts';
import { type ImageReport, pageTypeName } from './image-report.ts';
import { type KernelSymbols, modulesInPage } from './saved-kernel.ts';

/** A value that is not the same in both, undefined where there is none. */
export interface Difference {
  readonly path: string;
  readonly a: string | undefined;
  readonly b: string | undefined;
}

/** Pages one after the other that differ in the same way. */
export interface PageRange {
  readonly first: number;
  last: number;
  /** What the pages are for, as far as that is known. */
  readonly what: string;
  /** How they differ: their contents, or their types. */
  readonly how: string;
}

export interface ImageDiff {
  readonly a: string;
  readonly b: string;
  readonly same: boolean;
  readonly records: readonly Difference[];
  readonly pages: {
    readonly same: number;
    readonly different: number;
    readonly ranges: readonly PageRange[];
  };
  /** By section: configuration, start_info, shared_info, control interface, xenstore and console page, vCPUs, time, P2M, and each of our kernel's modules. */
  readonly sections: Readonly<Record<string, readonly Difference[]>>;
}

/** An image and what was said of it. */
export interface DiffSide {
  readonly index: ImageIndex;
  readonly report: ImageReport;
}

/** A section's values by their paths. */
const valuesOf = (section: unknown): Map<string, string> =>
  new Map(Array.from(flatJson(section), ([path, value]) => [path, String(value)]));

const differences = (
  a: ReadonlyMap<string, string>,
  b: ReadonlyMap<string, string>,
): Difference[] =>
  [...new Set([...a.keys(), ...b.keys()])]
    .filter((path) => a.get(path) !== b.get(path))
    .map((path) => ({ path, a: a.get(path), b: b.get(path) }));

/** Each record by its name and how many came before it, and what is said of it without its offset. */
const recordsByName = (records: readonly IndexedRecord[]): Map<string, string> => {
  const seen = new Map<string, number>();
  return new Map(
    records.map(({ name, layer, length, pages, vcpu }) => {
      const key = `${layer} ${name}${vcpu === undefined ? '' : ` of vcpu ${vcpu}`}`;
      const number = seen.get(key) ?? 0;
      seen.set(key, number + 1);
      const about =
        pages === undefined
          ? ''
          : `, pfns 0x${pages.first.toString(16)} … 0x${pages.last.toString(16)}, ${pages.data} with data`;
      return [
        pages === undefined && number === 0 ? key : `${key} ${number}`,
        `${length} bytes${about}`,
      ];
    }),
  );
};

const sectionsOf = (report: ImageReport): Readonly<Record<string, unknown>> => ({
  File: {
    kind: report.kind,
    stream: report.streamVersion,
    xen: report.xen,
    interface: report.interface,
    fault: report.fault,
  },
  Configuration: report.config?.value,
  'Page types': report.pageTypes,
  TSC_INFO: report.tsc,
  P2M: report.p2m,
  start_info: report.startInfo,
  shared_info: report.sharedInfo,
  'Control interface': report.control,
  'xenstore page': report.store,
  'Console page': report.console,
  ...Object.fromEntries(report.vcpus.map((vcpu) => [`vCPU ${vcpu.id}`, vcpu])),
  Kernel: { kernel: report.kernel.kernel, buildId: report.kernel.buildId },
  lwps: Object.fromEntries(
    (report.kernel.lwps ?? []).map((l) => [
      `${l.lid} ${l.name}`,
      { ...l, stack: l.stack.join(' ← ') },
    ]),
  ),
  ...report.kernel.modules,
});

/** What a page is for. */
const purpose = (
  { index, report }: DiffSide,
  pfn: number,
  symbols: KernelSymbols | undefined,
): string => {
  const level = tableLevel(index.types[pfn] ?? NEVER_CAME);
  if (level > 0) return `L${level} page table`;
  if (index.leafPfns.includes(pfn)) return "the guest's P2M: MFNs of the old host";
  const hex = `0x${pfn.toString(16)}`;
  if (report.startInfo?.pfn === hex) return 'start_info';
  if (report.store?.pfn === hex) return 'xenstore page';
  if (report.console?.pfn === hex) return 'console page';
  return symbols === undefined ? '' : modulesInPage(symbols, KERNBASE + pfn * PAGE_SIZE).join(', ');
};

const comparePages = (
  a: DiffSide,
  b: DiffSide,
  symbols: KernelSymbols | undefined,
): ImageDiff['pages'] => {
  const [ours, theirs] = [Buffer.alloc(PAGE_SIZE), Buffer.alloc(PAGE_SIZE)];
  const ranges: PageRange[] = [];
  let same = 0;
  let different = 0;
  for (let pfn = 0; pfn <= Math.max(a.index.maxPfn, b.index.maxPfn); pfn++) {
    const [type, other] = [a.index.types[pfn] ?? NEVER_CAME, b.index.types[pfn] ?? NEVER_CAME];
    let how = '';
    if (type !== other) how = `${pageTypeName(type)} → ${pageTypeName(other)}`;
    else if (carriesData(type)) {
      a.index.readPage(pfn, ours);
      b.index.readPage(pfn, theirs);
      if (!ours.equals(theirs)) how = 'contents';
    }
    if (how === '') {
      same++;
      continue;
    }
    different++;
    const what = purpose(a, pfn, symbols);
    const last = ranges.at(-1);
    if (last?.last === pfn - 1 && last.what === what && last.how === how) last.last = pfn;
    else ranges.push({ first: pfn, last: pfn, what, how });
  }
  return { same, different, ranges };
};

/** Compares two images. @param symbols of the kernel that both hold, if it is the one here */
export const imageDiff = (
  a: DiffSide,
  b: DiffSide,
  symbols: KernelSymbols | undefined,
): ImageDiff => {
  const [mine, theirs] = [sectionsOf(a.report), sectionsOf(b.report)];
  const sections: Record<string, readonly Difference[]> = {};
  for (const name of new Set([...Object.keys(mine), ...Object.keys(theirs)])) {
    const found = differences(valuesOf(mine[name]), valuesOf(theirs[name]));
    if (found.length > 0) sections[name] = found;
  }
  const records = differences(recordsByName(a.index.records), recordsByName(b.index.records));
  const pages = comparePages(a, b, symbols);
  const same = records.length === 0 && pages.different === 0 && Object.keys(sections).length === 0;
  return { a: a.report.file, b: b.report.file, same, records, pages, sections };
};
