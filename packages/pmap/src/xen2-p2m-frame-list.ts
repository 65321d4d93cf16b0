/*
 * The list through which the toolstack finds the P2M of a domain of Xen 2:
 *
 *     shared_info.arch.pfn_to_mfn_frame_list → one page: machine frames of the P2M's own pages, 512 at most; 0 ends it
 *
 * Machine frames too, so it is written again after every restore.
 */
import { xen2_arch_shared_info, xen2_shared_info } from '@port-xen/abi';
import { type Cpu, kassert } from '@port-xen/kern';
import { st64 } from '@port-xen/layout';
import { type FrameList, type KernelPages, p2m_frame_list_data } from './p2m-frame-list.ts';
import type { Pmap } from './pmap.ts';
import { PAGE_SIZE } from './pte.ts';

const PER_PAGE = PAGE_SIZE / 8;
const LIST = xen2_shared_info.offset.arch + xen2_arch_shared_info.offset.pfn_to_mfn_frame_list;

export class Xen2P2mFrameList implements FrameList {
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

  /** Once, at boot. */
  build(pages: KernelPages): void {
    const d = p2m_frame_list_data.at(this.cpu.memory, this.data);
    d.l2_pages = 1;
    d.l2_p2m_page = pages.kmAlloc(1);
    this.update();
  }

  /** At boot and after a restore. @returns the machine frame of the list */
  update(): number {
    const d = p2m_frame_list_data.at(this.cpu.memory, this.data);
    const { memory } = this.cpu;
    const { p2m, nrPages } = this.pmap;
    const leaves = Math.ceil(nrPages / PER_PAGE);
    kassert(
      leaves <= PER_PAGE,
      `expected at most ${PER_PAGE ** 2} pages in a domain of Xen 2, found ${nrPages}`,
    );
    for (let leaf = 0; leaf < leaves; leaf++) {
      st64(memory, d.l2_p2m_page + 8 * leaf, this.pmap.extractMfn(0, p2m + leaf * PAGE_SIZE));
    }
    const list = this.pmap.extractMfn(0, d.l2_p2m_page);
    st64(memory, this.sharedInfo + LIST, list);
    return list;
  }
}
