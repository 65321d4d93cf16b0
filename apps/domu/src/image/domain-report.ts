/*
 * What the guest and Xen told each other as a whole: start_info, shared_info, and where the P2M is. (A guest of Xen 2: xen2-report.ts.)
 */
import { shared_info, start_info, vcpu_guest_context } from '@port-xen/abi';
import { BytesMemory, textOf } from '@port-xen/layout';
import type { ImageIndex } from './image-index.ts';
import { hex, hex64, type NamedAddress, named, wordAt } from './names.ts';
import type { KernelSymbols } from './saved-kernel.ts';

export interface StartInfoReport {
  readonly pfn: string;
  readonly magic: string;
  readonly nr_pages: number;
  /** Machine address of the old host. */
  readonly shared_info: string;
  readonly flags: string;
  /** The guest has put pfns there before it suspended. */
  readonly store_mfn: string;
  readonly store_evtchn: number;
  readonly console_mfn: string;
  readonly console_evtchn: number;
  readonly pt_base: NamedAddress;
  readonly mfn_list: NamedAddress;
  readonly nr_pt_frames: number;
  readonly first_p2m_pfn: string;
  readonly nr_p2m_frames: number;
  readonly cmd_line: string;
}

/** What shared_info says of events, whatever the interface. */
export interface EventsReport {
  /** Ports, ascending. */
  readonly pendingPorts: readonly number[];
  readonly unmaskedPorts: readonly number[];
  readonly vcpus: readonly {
    readonly upcall_pending: number;
    readonly upcall_mask: number;
    readonly system_time_ns: number;
  }[];
}

export interface SharedInfoReport extends EventsReport {
  readonly max_pfn: number;
  readonly pfn_to_mfn_frame_list_list: string;
  readonly p2m_cr3: string;
  readonly p2m_vaddr: string;
  readonly p2m_generation: number;
  /** Seconds since 1970 when the old host was at its time 0. */
  readonly wallclock_s: number;
}

export interface P2mReport {
  readonly maxPfn: string;
  /** The pages that hold it. */
  readonly leafPfns: readonly string[];
  /** Entries with a frame, of those pages that the image has. */
  readonly frames: number;
  /** The lowest and the highest MFN: the old host's. */
  readonly lowest?: string;
  readonly highest?: string;
}

const PORTS = 4096;
const VCPUS = 32;
const NONE = (1n << 64n) - 1n;
const RDX = vcpu_guest_context.offset.user_regs + 96;

/** The pfn of start_info, which vCPU 0 named when it suspended. */
export const startInfoPfn = (index: ImageIndex): number | undefined => {
  const context = index.vcpus.get(0)?.basic;
  return context === undefined ? undefined : Number(wordAt(context, RDX));
};

export const startInfoReport = (
  pfn: number,
  page: Uint8Array,
  symbols: KernelSymbols | undefined,
): StartInfoReport => {
  const info = start_info.at(new BytesMemory(page), 0);
  const { offset } = start_info;
  return {
    pfn: hex(pfn),
    magic: textOf(info.magic),
    nr_pages: info.nr_pages,
    shared_info: hex(info.shared_info),
    flags: hex(info.flags),
    store_mfn: hex(info.store_mfn),
    store_evtchn: info.store_evtchn,
    console_mfn: hex(info.console.domU.mfn),
    console_evtchn: info.console.domU.evtchn,
    pt_base: named(wordAt(page, offset.pt_base), symbols),
    mfn_list: named(wordAt(page, offset.mfn_list), symbols),
    nr_pt_frames: info.nr_pt_frames,
    first_p2m_pfn: hex(info.first_p2m_pfn),
    nr_p2m_frames: info.nr_p2m_frames,
    cmd_line: textOf(info.cmd_line),
  };
};

/** The first `count` ports, from the bitmaps at these places of a shared_info page. */
export const portsOf = (
  page: Uint8Array,
  offset: { readonly evtchn_pending: number; readonly evtchn_mask: number },
  count: number,
): Pick<EventsReport, 'pendingPorts' | 'unmaskedPorts'> => {
  const portsThatAre = (bit: number, bitmap: number): number[] => {
    const ports: number[] = [];
    for (let port = 0; port < count; port++) {
      if ((((page[bitmap + (port >> 3)] ?? 0) >> (port & 7)) & 1) === bit) ports.push(port);
    }
    return ports;
  };
  return {
    pendingPorts: portsThatAre(1, offset.evtchn_pending),
    unmaskedPorts: portsThatAre(0, offset.evtchn_mask),
  };
};

export const sharedInfoReport = (page: Uint8Array, vcpus: number): SharedInfoReport => {
  const info = shared_info.at(new BytesMemory(page), 0);
  const { arch } = info;
  return {
    max_pfn: arch.max_pfn,
    pfn_to_mfn_frame_list_list: hex(arch.pfn_to_mfn_frame_list_list),
    p2m_cr3: hex(arch.p2m_cr3),
    p2m_vaddr: hex64(wordAt(page, shared_info.offset.arch + 32)),
    p2m_generation: arch.p2m_generation,
    wallclock_s: info.wc_sec + info.wc_sec_hi * 2 ** 32,
    ...portsOf(page, shared_info.offset, PORTS),
    vcpus: Array.from({ length: Math.min(VCPUS, vcpus) }, (_, i) => {
      const v = info.vcpu_info.at(i);
      return {
        upcall_pending: v.evtchn_upcall_pending,
        upcall_mask: v.evtchn_upcall_mask,
        system_time_ns: v.time.system_time,
      };
    }),
  };
};

export const p2mReport = (index: ImageIndex): P2mReport => {
  let frames = 0;
  let lowest = NONE;
  let highest = -1n;
  for (const [leaf, pfn] of index.leafPfns.entries()) {
    const page = index.page(pfn);
    if (page === undefined) continue;
    const words = new BigUint64Array(page.slice().buffer);
    for (const [i, mfn] of words.entries()) {
      if (leaf * words.length + i > index.maxPfn) break;
      if (mfn >= 1n << 40n) continue;
      frames++;
      if (mfn < lowest) lowest = mfn;
      if (mfn > highest) highest = mfn;
    }
  }
  return {
    maxPfn: hex(index.maxPfn),
    leafPfns: Array.from(index.leafPfns, hex),
    frames,
    ...(frames === 0 ? {} : { lowest: hex(lowest), highest: hex(highest) }),
  };
};
