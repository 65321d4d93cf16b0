/*
 * What a guest of Xen 2 and its controller left in the two pages that they told each other by: start_info, shared_info, and in the latter the
 * rings of the control interface with the messages that nobody has answered.
 */
import {
  CMSG_CONSOLE,
  CONTROL_IF_OFFSET,
  CONTROL_RING_SIZE,
  control_if,
  type control_msg,
  XEN2_NR_EVENT_CHANNELS,
  xen2_arch_shared_info,
  xen2_shared_info,
  xen2_start_info,
} from '@port-xen/abi';
import { BytesMemory, type StructArray, textOf } from '@port-xen/layout';
import { type EventsReport, portsOf } from './domain-report.ts';
import { hex, type NamedAddress, named, plain, wordAt } from './names.ts';
import type { KernelSymbols } from './saved-kernel.ts';

export interface Xen2StartInfoReport {
  readonly pfn: string;
  readonly nr_pages: number;
  /** Machine address of the old host. */
  readonly shared_info: string;
  readonly flags: string;
  /** The old host's. */
  readonly domain_controller_evtchn: number;
  readonly pt_base: NamedAddress;
  readonly nr_pt_frames: number;
  readonly mfn_list: NamedAddress;
  readonly cmd_line: string;
}

export interface Xen2SharedInfoReport extends EventsReport {
  /** A frame of the old host. */
  readonly pfn_to_mfn_frame_list: string;
  readonly cpu_freq_hz: number;
  readonly time_versions: string;
  /** Seconds since 1970 at `system_time`. */
  readonly wallclock_s: number;
}

/** A message that was not answered. */
export interface ControlMessageReport {
  readonly type: string;
  readonly subtype: number;
  readonly id: number;
  readonly length: number;
  /** Of a console's. */
  readonly text?: string;
}

export interface ControlRingReport {
  readonly req_prod: number;
  readonly resp_prod: number;
  readonly unanswered: readonly ControlMessageReport[];
}

export interface ControlReport {
  /** Guest to controller, and controller to guest. */
  readonly tx: ControlRingReport;
  readonly rx: ControlRingReport;
}

const TYPES = [
  'CONSOLE',
  'BLKIF_BE',
  'BLKIF_FE',
  'NETIF_BE',
  'NETIF_FE',
  '5',
  'SHUTDOWN',
  'MEM_REQUEST',
] as const;

export const xen2StartInfoReport = (
  pfn: number,
  page: Uint8Array,
  symbols: KernelSymbols | undefined,
): Xen2StartInfoReport => {
  const info = xen2_start_info.at(new BytesMemory(page), 0);
  const { offset } = xen2_start_info;
  return {
    pfn: hex(pfn),
    nr_pages: info.nr_pages,
    shared_info: hex(info.shared_info),
    flags: hex(info.flags),
    domain_controller_evtchn: info.domain_controller_evtchn,
    pt_base: named(wordAt(page, offset.pt_base), symbols),
    nr_pt_frames: info.nr_pt_frames,
    mfn_list: named(wordAt(page, offset.mfn_list), symbols),
    cmd_line: textOf(info.cmd_line),
  };
};

export const xen2SharedInfoReport = (page: Uint8Array): Xen2SharedInfoReport => {
  const info = xen2_shared_info.at(new BytesMemory(page), 0);
  const { offset } = xen2_shared_info;
  const list = offset.arch + xen2_arch_shared_info.offset.pfn_to_mfn_frame_list;
  const { evtchn_upcall_pending, evtchn_upcall_mask } = info.vcpu_data.at(0);
  return {
    pfn_to_mfn_frame_list: hex(wordAt(page, list)),
    cpu_freq_hz: info.cpu_freq,
    time_versions: `${info.time_version1}, ${info.time_version2}`,
    wallclock_s: info.wc_sec,
    ...portsOf(page, offset, XEN2_NR_EVENT_CHANNELS),
    vcpus: [
      {
        upcall_pending: evtchn_upcall_pending,
        upcall_mask: evtchn_upcall_mask,
        system_time_ns: info.system_time,
      },
    ],
  };
};

/** How a ring stands. Indices that make no sense leave nothing unanswered. */
const ringOf = (
  ring: StructArray<typeof control_msg>,
  req_prod: number,
  resp_prod: number,
): ControlRingReport => {
  const unanswered: ControlMessageReport[] = [];
  const count = (req_prod - resp_prod) >>> 0;
  for (let i = 0; count <= CONTROL_RING_SIZE && i < count; i++) {
    const { type, subtype, id, length, msg } = ring.at((resp_prod + i) % CONTROL_RING_SIZE);
    const bytes = Buffer.from(msg.subarray(0, length));
    unanswered.push({
      type: TYPES[type] ?? `${type}`,
      subtype,
      id,
      length,
      ...(type === CMSG_CONSOLE && { text: plain(bytes.toString('latin1')) }),
    });
  }
  return { req_prod, resp_prod, unanswered };
};

export const controlReport = (page: Uint8Array): ControlReport => {
  const control = control_if.at(new BytesMemory(page), CONTROL_IF_OFFSET);
  return {
    tx: ringOf(control.tx_ring, control.tx_req_prod, control.tx_resp_prod),
    rx: ringOf(control.rx_ring, control.rx_req_prod, control.rx_resp_prod),
  };
};
