/*
 * The tree through which the toolstack finds the P2M (hypervisor_machdep.c):
 *
 *     shared_info.arch.pfn_to_mfn_frame_list_list → L3 page: machine frames of the L2 pages
 *                                                   L2 pages: machine frames of the P2M's own pages, 512 each
 *
 * All of it is machine frames, so it is written again after every restore, and shared_info's pointer with it.
 */
import { arch_shared_info, shared_info } from '@port-xen/abi';
import type { Cpu } from '@port-xen/kern';
import { i64, st64, struct, u32, type View } from '@port-xen/layout';
import type { Pmap } from './pmap.ts';
import { PAGE_SIZE } from './pte.ts';

const PER_PAGE = PAGE_SIZE / 8;

export const p2m_frame_list_data = struct('p2m_frame_list_data', {
  l3_p2m_page: i64,
  l2_p2m_page: i64,
  l2_pages: u32,
});

/** What builds the tree: wired kernel pages. */
export interface KernelPages {
  kmAlloc(pages: number): number;
}

/** What tells the toolstack where the P2M is. */
export interface FrameList {
  /** Once, at boot. */
  build(pages: KernelPages): void;
  /** At boot and after a restore. @returns the machine frame that shared_info names */
  update(): number;
}

export class P2mFrameList implements FrameList {
  readonly cpu: Cpu;
  readonly data: number;
  readonly pmap: Pmap;
  readonly sharedInfo: number;

  constructor(cpu: Cpu, data: number, pmap: Pmap, sharedInfo: number) {
    this.cpu = cpu;
    this.data = data;
    this.pmap = pmap;
    this.sharedInfo = sharedInfo;
  }

  get #d(): View<typeof p2m_frame_list_data> {
    return p2m_frame_list_data.at(this.cpu.memory, this.data);
  }

  /** build_p2m_frame_list_list: once, at boot. */
  build(pages: KernelPages): void {
    const d = this.#d;
    const leaves = Math.ceil(this.pmap.nrPages / PER_PAGE);
    d.l2_pages = Math.ceil(leaves / PER_PAGE);
    d.l3_p2m_page = pages.kmAlloc(1);
    d.l2_p2m_page = pages.kmAlloc(d.l2_pages);
    this.update();
  }

  /** update_p2m_frame_list_list: at boot and after a restore. @returns the machine frame of the L3 page */
  update(): number {
    const d = this.#d;
    const { memory } = this.cpu;
    const { p2m, nrPages } = this.pmap;
    for (let i = 0; i < d.l2_pages; i++) {
      st64(memory, d.l3_p2m_page + 8 * i, this.pmap.extractMfn(0, d.l2_p2m_page + i * PAGE_SIZE));
    }
    for (let leaf = 0; leaf * PER_PAGE < nrPages; leaf++) {
      st64(memory, d.l2_p2m_page + 8 * leaf, this.pmap.extractMfn(0, p2m + leaf * PAGE_SIZE));
    }
    const list = this.pmap.extractMfn(0, d.l3_p2m_page);
    const arch = arch_shared_info.at(memory, this.sharedInfo + shared_info.offset.arch);
    arch.pfn_to_mfn_frame_list_list = list;
    arch.max_pfn = nrPages;
    return list;
  }
}
