/*
 * The shared_info page of a restored domain is Xen's new one, with two parts of the saved one in it: vcpu_info
 * and arch. Event channels begin anew: nothing pending, everything masked. Wall-clock time is the new host's.
 * arch.pfn_to_mfn_frame_list_list becomes 0; p2m_cr3, p2m_vaddr, p2m_generation and max_pfn come as they were
 * saved, stale; evtchn_upcall_pending and evtchn_upcall_mask too.
 */
import { arch_shared_info, shared_info, vcpu_info, XEN_LEGACY_MAX_VCPUS } from '@port-xen/abi';
import { BytesMemory, st64 } from '@port-xen/layout';

const { offset } = shared_info;
/** Bytes of evtchn_pending, and of evtchn_mask: 4096 bits. */
const EVTCHN_SIZE = offset.evtchn_mask - offset.evtchn_pending;

/**
 * Puts what a saved shared_info says into the new domain's, in place.
 *
 * @param into the new page, at least 3136 bytes
 * @param saved the page from the stream
 */
export const mergeSharedInfo = (into: Uint8Array, saved: Uint8Array): void => {
  for (const page of [into, saved]) {
    if (page.length < shared_info.size) {
      throw new RangeError(`expected ${shared_info.size} bytes or more, found ${page.length}`);
    }
  }
  const take = (start: number, size: number) =>
    into.set(saved.subarray(start, start + size), start);
  take(offset.vcpu_info, vcpu_info.size * XEN_LEGACY_MAX_VCPUS);
  take(offset.arch, arch_shared_info.size);
  const memory = new BytesMemory(into);
  st64(memory, offset.arch + arch_shared_info.offset.pfn_to_mfn_frame_list_list, 0);
  for (let vcpu = 0; vcpu < XEN_LEGACY_MAX_VCPUS; vcpu++) {
    const info = offset.vcpu_info + vcpu * vcpu_info.size;
    st64(memory, info + vcpu_info.offset.evtchn_pending_sel, 0);
  }
  into.fill(0, offset.evtchn_pending, offset.evtchn_pending + EVTCHN_SIZE);
  into.fill(0xff, offset.evtchn_mask, offset.evtchn_mask + EVTCHN_SIZE);
};
