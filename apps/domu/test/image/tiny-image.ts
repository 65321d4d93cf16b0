/*
 * A domain of 16 pages with a word to say on its console and a request in its xenstore ring, under a kernel of nobody's.
 *
 *     pfn 1 start_info   2 xenstore page   3 console page   4 5 6 7 L4 L3 L2 L1   9 P2M   14 no page   others ordinary
 */
import {
  CMSG_SHUTDOWN,
  CMSG_SHUTDOWN_SUSPEND,
  CONTROL_IF_OFFSET,
  control_if,
  shared_info,
  start_info,
  vcpu_guest_context,
  XS_READ,
  xen2_shared_info,
  xen2_start_info,
  xencons_interface,
  xenstore_domain_interface,
  xsd_sockmsg,
} from '@port-xen/abi';
import { BytesMemory, cString, st64 } from '@port-xen/layout';
import { ImageWriter, MemoryImage } from '@port-xen/migration-stream';

const PAGE = 4096;
const PAGES = 16;
const C = vcpu_guest_context.offset;
const TYPES = [0, 0, 0, 0, 12, 3, 2, 1, 0, 0, 0, 0, 0, 0, 15, 0];
/** A stale frame of a host in slot 2. */
const OLD_MFN = 2 * 2 ** 21 + 0x100;

export const CONFIG = {
  c_info: { type: 'pv', name: 'tiny', uuid: '00000000-0000-0000-0000-000000000007' },
  b_info: { max_vcpus: 1, max_memkb: 64, target_memkb: 64, 'type.pv': {} },
};

const page = (fill: (memory: BytesMemory, bytes: Uint8Array) => void): Uint8Array => {
  const bytes = new Uint8Array(PAGE);
  fill(new BytesMemory(bytes), bytes);
  return bytes;
};

const table = (slot: number, pfn: number): Uint8Array =>
  page((memory) => st64(memory, slot * 8, pfn * PAGE + 0x67));

const startInfo = (): Uint8Array =>
  page((memory) => {
    const info = start_info.at(memory, 0);
    info.magic = cString('xen-3.0-x86_64');
    info.nr_pages = PAGES;
    info.store_mfn = 2;
    info.console.domU.mfn = 3;
    info.cmd_line = cString('quiet');
  });

const storePage = (): Uint8Array =>
  page((memory, bytes) => {
    const ring = xenstore_domain_interface.at(memory, 0);
    const payload = cString('domid');
    const message = xsd_sockmsg.at(memory, 0);
    message.type = XS_READ;
    message.req_id = 7;
    message.len = payload.length;
    bytes.set(payload, xsd_sockmsg.size);
    ring.req_prod = xsd_sockmsg.size + payload.length;
  });

const consolePage = (): Uint8Array =>
  page((memory, bytes) => {
    const ring = xencons_interface.at(memory, 0);
    bytes.set(cString('seen, not seen\x1b[31m').subarray(0, -1), xencons_interface.offset.out);
    ring.out_prod = 19;
    ring.out_cons = 6;
  });

const l1 = (): Uint8Array =>
  page((memory) => {
    for (let pfn = 0; pfn < PAGES; pfn++) {
      const isTable = pfn >= 4 && pfn <= 7;
      if (pfn !== 14) st64(memory, pfn * 8, pfn * PAGE + (isTable ? 0x25 : 0x27));
    }
  });

const p2m = (): Uint8Array =>
  page((memory) => {
    for (let i = 0; i < 512; i++) st64(memory, i * 8, i < PAGES && i !== 14 ? OLD_MFN + i : -1);
  });

const CONTENTS: Readonly<Record<number, () => Uint8Array>> = {
  1: startInfo,
  2: storePage,
  3: consolePage,
  4: () => table(511, 5),
  5: () => table(510, 6),
  6: () => table(0, 7),
  7: l1,
  9: p2m,
};

const context = (rip: number): Uint8Array => {
  const memory = new BytesMemory(new Uint8Array(vcpu_guest_context.size));
  st64(memory, C.flags, 5);
  st64(memory, C.user_regs + 96, 1);
  st64(memory, C.user_regs + 128, rip);
  st64(memory, C.trap_ctxt + 14 * 16, 14 + 4 * 256 + 0xe033 * 65536);
  st64(memory, C.trap_ctxt + 14 * 16 + 8, -0x7fff_fff0);
  st64(memory, C.event_callback_eip, -0x7fff_ff00);
  st64(memory, C.ctrlreg + 24, 4 * PAGE);
  return memory.bytes;
};

/** Xen 2's: a word to say on its way to the controller, a request to suspend that the guest has not answered. */
const xen2SharedInfo = (): Uint8Array =>
  page((memory) => {
    const info = xen2_shared_info.at(memory, 0);
    info.cpu_freq = 2.4e9;
    info.time_version1 = 9;
    info.time_version2 = 9;
    info.system_time = 3e9;
    info.wc_sec = 1_767_225_600;
    info.evtchn_pending.set(1, 0b100);
    for (let i = 0; i < 32; i++) info.evtchn_mask.set(i, i === 1 ? 0xffff_fffe : -1);
    const control = control_if.at(memory, CONTROL_IF_OFFSET);
    control.tx_req_prod = 10;
    control.tx_resp_prod = 9;
    const said = control.tx_ring.at(1);
    said.length = 9;
    said.msg = cString('not seen\n');
    control.rx_req_prod = 1;
    const asked = control.rx_ring.at(0);
    asked.type = CMSG_SHUTDOWN;
    asked.subtype = CMSG_SHUTDOWN_SUSPEND;
    asked.id = 4;
  });

const xen2StartInfo = (): Uint8Array =>
  page((memory) => {
    const info = xen2_start_info.at(memory, 0);
    info.nr_pages = PAGES;
    info.domain_controller_evtchn = 34;
    info.cmd_line = cString('quiet');
  });

const contentsOf = (pfn: number, xen2: boolean): (() => Uint8Array) | undefined =>
  xen2 && pfn === 1 ? xen2StartInfo : CONTENTS[pfn];

/** @param options what of it is to be another */
export const tinyImage = (
  kind: 'xl' | 'libxl' | 'libxc',
  {
    rip = -0x7fff_f000,
    fill = 0,
    types = TYPES,
    config = JSON.stringify(CONFIG),
    xen2 = false,
    twice = false,
  }: {
    rip?: number;
    fill?: number;
    types?: readonly number[];
    config?: string;
    /** Whether it is a domain of Xen 2. */
    xen2?: boolean;
    /** Whether its pages come twice, as those of a domain do that ran on while they were sent. */
    twice?: boolean;
  } = {},
): Uint8Array => {
  const image = new MemoryImage();
  const writer = new ImageWriter(image);
  if (kind === 'xl') writer.xlHeader(config);
  if (kind !== 'libxc') {
    writer.libxlHeader();
    writer.libxcContext();
  }
  writer.imageHeader();
  writer.domainHeader(4, 17);
  writer.x86PvInfo();
  writer.staticDataEnd();
  writer.p2mFrames(PAGES - 1, Int32Array.of(9));
  const pfns = Int32Array.from({ length: PAGES }, (_, pfn) => pfn);
  const pages = [...pfns].filter((pfn) => (types[pfn] as number) < 13);
  const contents = pages.map(
    (pfn) => contentsOf(pfn, xen2)?.() ?? new Uint8Array(PAGE).fill(pfn === 15 ? fill : 0),
  );
  for (let time = 0; time < (twice ? 2 : 1); time++) {
    writer.pageData(pfns, Uint8Array.from(types), contents);
  }
  writer.tscInfo({ mode: 0, khz: 2_400_000, nsec: 5_000_000_000n, incarnation: 1 });
  writer.sharedInfo(
    xen2
      ? xen2SharedInfo()
      : page((memory) => {
          shared_info.at(memory, 0).arch.max_pfn = PAGES;
          memory.st32(shared_info.offset.evtchn_pending, 0b101000);
          for (let i = 0; i < 512; i += 4) memory.st32(shared_info.offset.evtchn_mask + i, -1);
        }),
  );
  writer.vcpuBasic(0, context(rip));
  writer.end();
  if (kind !== 'libxc') writer.libxlEnd();
  return image.bytes;
};
