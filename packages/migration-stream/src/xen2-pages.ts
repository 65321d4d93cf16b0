/*
 * shared_info and start_info of a restored domain of Xen 2 (xc_linux_restore.c of Xen 2.0). The file's SHARED_INFO record is the whole page
 * all the same.
 */
import { shared_info, xen2_shared_info, xen2_start_info } from '@port-xen/abi';
import { BytesMemory, ldU64 } from '@port-xen/layout';
import type { RestoredFrames } from './restored-frames.ts';

const { offset, size } = xen2_shared_info;
/** Where Xen 3 has max_pfn, which every domain publishes that is saved. Xen 2's control interface ends there. */
const XEN3_MAX_PFN = shared_info.offset.arch;

/** Whether a saved page is Xen 2's: it has a frequency where Xen 3's page has bits of vCPU 4, and no max_pfn. */
export const isXen2SharedInfo = (saved: Uint8Array): boolean => {
  const memory = new BytesMemory(saved);
  return ldU64(memory, XEN3_MAX_PFN) === 0 && ldU64(memory, offset.cpu_freq) !== 0;
};

/**
 * Puts what a saved shared_info says into the new domain's, in place: the struct, without what was pending. What comes after it is zero, the
 * control interface too. Masks stay as they were: the guest has masked what it does not want.
 *
 * @param into the new page
 * @param saved the page from the stream
 */
export const mergeXen2SharedInfo = (into: Uint8Array, saved: Uint8Array): void => {
  for (const page of [into, saved]) {
    if (page.length < size) {
      throw new RangeError(`expected ${size} bytes or more, found ${page.length}`);
    }
  }
  into.set(saved.subarray(0, size));
  into.fill(0, offset.evtchn_pending, offset.evtchn_mask);
  into.fill(0, size);
};

/** What a restored domain of Xen 2 is told through start_info. */
export interface Xen2StartOfLife {
  /** Machine address of its shared_info page. */
  readonly shared_info: number;
  /** Port of the channel to its controller. */
  readonly domain_controller_evtchn: number;
}

/**
 * Patches a start_info page in place: what is filled on boot and on resume. Xen 2's tools left the port to the controller, which asked for
 * the old one; here it is a new one, and is written.
 *
 * @param page at least 320 bytes of the page, whose pfn `localiseVcpu0` gave
 */
export const patchXen2StartInfo = (
  page: Uint8Array,
  frames: Pick<RestoredFrames, 'maxPfn'>,
  life: Xen2StartOfLife,
): void => {
  const info = xen2_start_info.at(new BytesMemory(page), 0);
  info.nr_pages = frames.maxPfn + 1;
  info.shared_info = life.shared_info;
  info.flags = 0;
  info.domain_controller_evtchn = life.domain_controller_evtchn;
};
