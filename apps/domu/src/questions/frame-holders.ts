/*
 * Who holds a word that names a machine frame, in the kernel's own terms.
 *
 *     the domain's pages    the P2M, found as the toolstack finds it; page tables; a field of start_info; a symbol of the kernel's data
 *     grant table           who granted the page: the drivers' own tables say which references are theirs
 */
import {
  arch_shared_info,
  GNTTAB_RESERVED_CONSOLE,
  GNTTAB_RESERVED_XENSTORE,
  shared_info,
  start_info,
} from '@port-xen/abi';
import { KERNBASE, PAGE_SIZE } from '@port-xen/kern';
import { BytesMemory, ldI64 } from '@port-xen/layout';
import { xbd_data } from '@port-xen/xbd';
import { xennet_data } from '@port-xen/xennet';
import type { Guest } from '../guest.ts';
import { kernelData } from './kernel-data.ts';
import { type Grant, type Still, startInfoPfn } from './still.ts';

const ENTRIES = PAGE_SIZE / 8;

/** What symbols of the kernel's data are, where the symbol does not say it. */
const SYMBOLS: Readonly<Record<string, string>> = {
  uarea_data: "a kernel thread's stack",
  hypercall_args_data: 'arguments of a hypercall',
};

/** Names the holders of frames of one domain. */
export class FrameHolders {
  readonly #guest: Guest;
  readonly #p2m = new Set<number>();
  readonly #lists = new Set<number>();
  readonly #listOfLists: number;
  readonly #startInfo: number;

  /** @param suspended when everything still names frames of the first host */
  constructor(guest: Guest, suspended: Still) {
    this.#guest = guest;
    const { memory, sharedInfo } = suspended;
    const byMfn = new Map([...memory].map(([pfn, page]) => [page.mfn, pfn]));
    const pfnOf = (mfn: number): number => byMfn.get(mfn) ?? -1;
    const framesIn = (pfn: number): number[] => {
      const page = memory.get(pfn);
      if (page === undefined) return [];
      const words = new BytesMemory(page.bytes);
      return Array.from({ length: ENTRIES }, (_, i) => ldI64(words, 8 * i)).filter((mfn) =>
        byMfn.has(mfn),
      );
    };
    const arch = arch_shared_info.at(new BytesMemory(sharedInfo), shared_info.offset.arch);
    this.#listOfLists = pfnOf(arch.pfn_to_mfn_frame_list_list);
    for (const list of framesIn(this.#listOfLists)) {
      this.#lists.add(pfnOf(list));
      for (const leaf of framesIn(pfnOf(list))) this.#p2m.add(pfnOf(leaf));
    }
    this.#startInfo = startInfoPfn(suspended);
  }

  /** Of a word of the domain's memory. @param level of the page table that it is in; 0: in none */
  of(pfn: number, offset: number, level: number): string {
    if (level > 0) return `page tables, L${level}`;
    if (this.#p2m.has(pfn)) return 'P2M';
    if (this.#lists.has(pfn)) return 'P2M frame list';
    if (pfn === this.#listOfLists) return 'P2M frame list list';
    if (pfn === this.#startInfo) {
      const field = Object.entries(start_info.offset)
        .filter(([, at]) => at <= offset)
        .at(-1);
      return `start_info.${field?.[0] === 'console' ? 'console.domU.mfn' : field?.[0]}`;
    }
    const symbol = this.#guest.engine.image.symbolAt(KERNBASE + pfn * PAGE_SIZE + offset);
    const name = symbol.startsWith('0x') ? 'other pages' : symbol.replace(/\+.*/, '');
    return SYMBOLS[name] ?? name;
  }

  /** Of entries of the grant table. @param still when they stood there */
  grantsOf({ memory }: Still): (grant: Grant) => string {
    const names = new Map([
      [GNTTAB_RESERVED_CONSOLE, 'console page'],
      [GNTTAB_RESERVED_XENSTORE, 'xenstore page'],
    ]);
    const disks = xbd_data.at(kernelData(this.#guest, memory, 'xbd', xbd_data.size), 0);
    for (let unit = 0; unit < disks.softcs.length; unit++) {
      const sc = disks.softcs.at(unit);
      if (sc.sc_used !== 0) names.set(sc.sc_ring_gntref, "xbd's ring");
    }
    const net = xennet_data.at(kernelData(this.#guest, memory, 'xennet', xennet_data.size), 0);
    for (let unit = 0; unit < net.softcs.length; unit++) {
      const sc = net.softcs.at(unit);
      if (sc.sc_used === 0) continue;
      names.set(sc.sc_tx_ring_gntref, "xennet's rings");
      names.set(sc.sc_rx_ring_gntref, "xennet's rings");
      for (let slot = 0; slot < sc.sc_rx_gntrefs.length; slot++) {
        names.set(sc.sc_rx_gntrefs.get(slot), 'pages that xennet receives into');
      }
    }
    return ({ reference }) => names.get(reference) ?? 'pages of requests to back ends';
  }
}
