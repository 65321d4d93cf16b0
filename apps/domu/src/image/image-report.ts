/*
 * All that there is to say about an image, as data: what `image show` prints, and `image show --json` as it is.
 */
import { cpu_user_regs, vcpu_guest_context } from '@port-xen/abi';
import {
  type P2mReport,
  p2mReport,
  type SharedInfoReport,
  type StartInfoReport,
  sharedInfoReport,
  startInfoPfn,
  startInfoReport,
} from './domain-report.ts';
import { isShallow } from './flat-json.ts';
import { GuestMemory } from './guest-memory.ts';
import { type ImageIndex, type IndexedRecord, NEVER_CAME } from './image-index.ts';
import { type KernelReport, kernelReport } from './kernel-report.ts';
import { addressOf, wordAt } from './names.ts';
import {
  type ConsoleReport,
  consoleReport,
  type StoreReport,
  storeReport,
} from './rings-report.ts';
import type { SavedKernel } from './saved-kernel.ts';
import { type VcpuReport, vcpuReport } from './vcpu-report.ts';
import {
  type ControlReport,
  controlReport,
  type Xen2SharedInfoReport,
  type Xen2StartInfoReport,
  xen2SharedInfoReport,
  xen2StartInfoReport,
} from './xen2-report.ts';

export interface ImageReport {
  readonly file: string;
  readonly size: number;
  readonly kind: 'xl' | 'libxl' | 'libxc';
  /** Bytes of the image; what follows is another's. */
  readonly imageSize: number;
  /** The Xen whose interface the domain has. */
  readonly interface: 'xen-3.0' | 'xen-2.0';
  readonly streamVersion: number | undefined;
  readonly xen: string | undefined;
  /** Why reading ended before the image did. */
  readonly fault?: string;
  readonly config?: { readonly format: 'json' | 'cfg'; readonly value: unknown };
  readonly records: readonly IndexedRecord[];
  readonly cpuidLeaves: number;
  readonly msrEntries: number;
  /** How many pfns there are of each type. */
  readonly pageTypes: Readonly<Record<string, number>>;
  /** `nsec` in digits when it is more than a Number holds: 104 days. */
  readonly tsc?: { mode: number; khz: number; nsec: number | string; incarnation: number };
  readonly p2m?: P2mReport;
  readonly startInfo?: StartInfoReport | Xen2StartInfoReport;
  readonly sharedInfo?: SharedInfoReport | Xen2SharedInfoReport;
  /** Of a domain of Xen 2. */
  readonly control?: ControlReport;
  readonly vcpus: readonly VcpuReport[];
  readonly store?: StoreReport;
  readonly console?: ConsoleReport;
  readonly kernel: KernelReport;
}

/** An integer of JSON's: digits where a Number would round. */
const exact = (value: bigint): number | string =>
  value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();

const PAGE_TYPES = new Map([
  [0, 'ordinary'],
  [1, 'L1'],
  [2, 'L2'],
  [3, 'L3'],
  [4, 'L4'],
  [9, 'L1 pinned'],
  [10, 'L2 pinned'],
  [11, 'L3 pinned'],
  [12, 'L4 pinned'],
  [13, 'broken'],
  [14, 'to be allocated'],
  [15, 'no page'],
  [NEVER_CAME, 'never named'],
]);

/** The name of a page type. */
export const pageTypeName = (type: number): string => PAGE_TYPES.get(type) ?? `type ${type}`;

const countTypes = (types: Uint8Array): Readonly<Record<string, number>> => {
  const counts = new Uint32Array(256);
  for (const type of types) counts[type] = (counts[type] as number) + 1;
  return Object.fromEntries(
    [...PAGE_TYPES]
      .map(([type, name]) => [name, counts[type] as number])
      .filter(([, n]) => n !== 0),
  );
};

const configOf = (index: ImageIndex): ImageReport['config'] => {
  const { configText, configFormat } = index;
  if (configText === undefined || configFormat === undefined) return undefined;
  if (configFormat === 'cfg') return { format: 'cfg', value: configText };
  let value: unknown = configText;
  try {
    const parsed: unknown = JSON.parse(configText);
    if (isShallow(parsed)) value = parsed;
  } catch {
    // It is shown as the text that it is.
  }
  return { format: 'json', value };
};

const sharedInfoOf = (index: ImageIndex, vcpus: number): Partial<ImageReport> => {
  const { sharedInfoPage: page } = index;
  if (page === undefined) return {};
  if (index.interface === 'xen-3.0') return { sharedInfo: sharedInfoReport(page, vcpus) };
  return { sharedInfo: xen2SharedInfoReport(page), control: controlReport(page) };
};

/** The kernel's address space in an image, if it has one. */
const guestMemory = (index: ImageIndex): GuestMemory | undefined => {
  const context = index.vcpus.get(0)?.basic;
  if (context === undefined) return undefined;
  const root = Number(wordAt(context, vcpu_guest_context.offset.ctrlreg + 24) >> 12n);
  return new GuestMemory(index, root);
};

const RSP = vcpu_guest_context.offset.user_regs + cpu_user_regs.offset.rsp;

const stackPointer = (index: ImageIndex): number =>
  addressOf(wordAt(index.vcpus.get(0)?.basic ?? new Uint8Array(), RSP));

/** What the records show of the guest's pages. */
const pagesOf = (index: ImageIndex, symbols: SavedKernel['symbols']): Partial<ImageReport> => {
  const pfn = startInfoPfn(index);
  const page = pfn === undefined ? undefined : index.page(pfn);
  if (pfn === undefined || page === undefined) return {};
  if (index.interface === 'xen-2.0') return { startInfo: xen2StartInfoReport(pfn, page, symbols) };
  const startInfo = startInfoReport(pfn, page, symbols);
  const store = index.page(Number(startInfo.store_mfn));
  const console = index.page(Number(startInfo.console_mfn));
  return {
    startInfo,
    ...(store && { store: storeReport(Number(startInfo.store_mfn), store) }),
    ...(console && { console: consoleReport(Number(startInfo.console_mfn), console) }),
  };
};

const kindOf = (index: ImageIndex): ImageReport['kind'] =>
  index.xl !== undefined ? 'xl' : index.libxl !== undefined ? 'libxl' : 'libxc';

/** Tells of an image. */
export const imageReport = (file: string, index: ImageIndex, kernel: SavedKernel): ImageReport => {
  const { symbols } = kernel;
  const { domain, fault, tsc, vcpus } = index;
  const config = configOf(index);
  const ids = [...vcpus.keys()].sort((a, b) => a - b);
  return {
    file,
    size: index.file.size,
    kind: kindOf(index),
    imageSize: index.summary?.size ?? fault?.offset ?? 0,
    interface: index.interface,
    streamVersion: index.image?.version,
    xen: domain && `${domain.xen_major}.${domain.xen_minor}`,
    ...(fault && { fault: fault.message }),
    ...(config && { config }),
    records: index.records,
    cpuidLeaves: (index.cpuidLeaves?.length ?? 0) / 24,
    msrEntries: (index.msrEntries?.length ?? 0) / 16,
    pageTypes: countTypes(index.types),
    ...(tsc && { tsc: { ...tsc, nsec: exact(tsc.nsec) } }),
    ...(index.maxPfn >= 0 && { p2m: p2mReport(index) }),
    ...pagesOf(index, symbols),
    ...sharedInfoOf(index, ids.length),
    vcpus: ids.flatMap((id) => vcpuReport(id, vcpus.get(id) ?? {}, symbols) ?? []),
    kernel: kernelReport(kernel, guestMemory(index), stackPointer(index)),
  };
};
