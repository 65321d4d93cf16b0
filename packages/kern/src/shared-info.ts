/*
 * Where the page that Xen and the domain share has what a kernel needs: Xen 3's, or Xen 2's for a kernel whose note says xen-2.0. Nobody else
 * asks which of the two it is; the time in it is the clock's (HostTime).
 */
import {
  shared_info,
  vcpu_info,
  XEN2_CR2_OFFSET,
  XEN2_NR_EVENT_CHANNELS,
  xen2_shared_info,
  xen2_vcpu_data,
} from '@port-xen/abi';

const WORD_BITS = 32;

/** Offsets within shared_info, bytes; the first vCPU's, and `vcpuSize` further on the next one's. */
export interface SharedInfoLayout {
  readonly xenVersion: 'xen-3.0' | 'xen-2.0';
  readonly vcpuSize: number;
  readonly upcallPending: number;
  readonly upcallMask: number;
  /** The selector: a bit for `wordsPerBit` words of ports, of 32 ports each. */
  readonly pendingSel: number;
  readonly pendingSelWords: number;
  readonly wordsPerBit: number;
  /** 8 bytes: the address of the last page fault. */
  readonly cr2: number;
  /** The bitmaps of all ports. */
  readonly evtchnPending: number;
  readonly evtchnMask: number;
  /** Ports that there can be, port 0 included. */
  readonly nrPorts: number;
}

export const XEN3_SHARED_INFO: SharedInfoLayout = {
  xenVersion: 'xen-3.0',
  vcpuSize: vcpu_info.size,
  upcallPending: vcpu_info.offset.evtchn_upcall_pending,
  upcallMask: vcpu_info.offset.evtchn_upcall_mask,
  pendingSel: vcpu_info.offset.evtchn_pending_sel,
  pendingSelWords: 2,
  wordsPerBit: 2,
  cr2: vcpu_info.offset.arch,
  evtchnPending: shared_info.offset.evtchn_pending,
  evtchnMask: shared_info.offset.evtchn_mask,
  nrPorts: 64 * 64,
};

export const XEN2_SHARED_INFO: SharedInfoLayout = {
  xenVersion: 'xen-2.0',
  vcpuSize: xen2_vcpu_data.size,
  upcallPending: xen2_vcpu_data.offset.evtchn_upcall_pending,
  upcallMask: xen2_vcpu_data.offset.evtchn_upcall_mask,
  pendingSel: xen2_shared_info.offset.evtchn_pending_sel,
  pendingSelWords: 1,
  wordsPerBit: XEN2_NR_EVENT_CHANNELS / WORD_BITS / WORD_BITS,
  cr2: XEN2_CR2_OFFSET,
  evtchnPending: xen2_shared_info.offset.evtchn_pending,
  evtchnMask: xen2_shared_info.offset.evtchn_mask,
  nrPorts: XEN2_NR_EVENT_CHANNELS,
};
