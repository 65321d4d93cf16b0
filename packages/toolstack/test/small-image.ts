/*
 * A domain of 600 pfns with little in it, as a bare libxc stream or a whole xl file, to be damaged by tests.
 *
 *     pfn 0, 15   ordinary        2  xenstore page    4 5 6 7  L4 L3 L2 L1    10  GDT          12  allocated, no data
 *         1       start_info      3  console page     8 9      P2M            11  user's L4    13  broken
 *     all others  no page
 */
import {
  CONTROL_IF_OFFSET,
  control_if,
  shared_info,
  start_info,
  vcpu_guest_context,
  xen2_start_info,
} from '@port-xen/abi';
import { BytesMemory, cString, st64 } from '@port-xen/layout';
import { ImageWriter, MemoryImage } from '@port-xen/migration-stream';
import { toJson } from '../src/config-json.ts';
import { testConfig } from './host.ts';

export const PFNS = 600;
export const PFN = {
  startInfo: 1,
  store: 2,
  console: 3,
  l4: 4,
  l3: 5,
  l2: 6,
  l1: 7,
  p2m: 8,
  gdt: 10,
  userL4: 11,
  last: 15,
} as const;

const TYPES = [0, 0, 0, 0, 12, 3, 2, 1, 0, 0, 0, 12, 14, 13, 15, 0];
const PAGE = 4096;
const V = vcpu_guest_context.offset;

/** A flat descriptor: what Xen takes in a GDT. */
const DESCRIPTOR_LOW = 0x0000ffff;
const DESCRIPTOR_HIGH = 0x00affb00;

const page = (fill: (memory: BytesMemory) => void): Uint8Array => {
  const bytes = new Uint8Array(PAGE);
  fill(new BytesMemory(bytes));
  return bytes;
};

const xen2StartInfo = (): Uint8Array =>
  page((memory) => {
    const info = xen2_start_info.at(memory, 0);
    info.nr_pages = PFNS;
    info.domain_controller_evtchn = 1;
  });

/** Something in each field, the control interface too. */
const xen2SharedInfo = (): Uint8Array =>
  page((memory) => {
    memory.bytes.fill(0x5a, 0, CONTROL_IF_OFFSET + control_if.size);
  });

/** The contents of a page that the image has. */
const contents = (pfn: number): Uint8Array => {
  switch (pfn) {
    case PFN.startInfo:
      return page((memory) => {
        const info = start_info.at(memory, 0);
        info.magic = cString('xen-3.0-x86_64');
        info.nr_pages = PFNS;
        info.store_mfn = PFN.store;
        info.console.domU.mfn = PFN.console;
      });
    case PFN.l4:
      return page((memory) => st64(memory, 511 * 8, PFN.l3 * PAGE + 0x067));
    case PFN.l3:
      return page((memory) => st64(memory, 510 * 8, PFN.l2 * PAGE + 0x067));
    case PFN.l2:
      return page((memory) => st64(memory, 0, PFN.l1 * PAGE + 0x067));
    case PFN.l1:
      return page((memory) => {
        for (let slot = 0; slot <= PFN.last; slot++) {
          if (slot === 13 || slot === 14) continue;
          const writable = slot < PFN.l4 || slot === PFN.p2m || slot >= 12 || slot === 9 ? 2 : 0;
          st64(memory, slot * 8, slot * PAGE + 0x025 + writable);
        }
      });
    case PFN.gdt:
      return page((memory) => {
        memory.st32(8, DESCRIPTOR_LOW);
        memory.st32(12, DESCRIPTOR_HIGH);
      });
    case PFN.userL4:
      return new Uint8Array(PAGE);
    default:
      return new Uint8Array(PAGE).fill(pfn);
  }
};

const context = (): Uint8Array => {
  const bytes = new Uint8Array(vcpu_guest_context.size);
  const memory = new BytesMemory(bytes);
  st64(memory, V.flags, 5);
  st64(memory, V.user_regs + 96, PFN.startInfo);
  st64(memory, V.user_regs + 128, -0x7fe0_0000);
  st64(memory, V.gdt_frames, PFN.gdt);
  st64(memory, V.gdt_ents, 512);
  st64(memory, V.ctrlreg + 8, PFN.userL4 * PAGE + 1);
  st64(memory, V.ctrlreg + 24, PFN.l4 * PAGE);
  return bytes;
};

/** @param xen2 whether it is a domain of Xen 2 */
const write = (kind: 'xl' | 'libxl' | 'libxc', xen2 = false): Uint8Array => {
  const sink = new MemoryImage();
  const writer = new ImageWriter(sink);
  if (kind === 'xl') {
    const config = testConfig('small');
    writer.xlHeader(toJson(xen2 ? { ...config, interface: 'xen-2.0' } : config));
  }
  if (kind !== 'libxc') {
    writer.libxlHeader();
    writer.libxcContext();
  }
  writer.imageHeader();
  writer.domainHeader(4, 17);
  writer.x86PvInfo();
  writer.cpuidPolicy(new Uint8Array(24));
  writer.msrPolicy(new Uint8Array(16));
  writer.staticDataEnd();
  writer.p2mFrames(PFNS - 1, Int32Array.of(PFN.p2m, PFN.p2m + 1));
  const types = Uint8Array.from({ length: PFNS }, (_, pfn) => TYPES[pfn] ?? 15);
  const pfns = Int32Array.from(types, (_, pfn) => pfn);
  const pages = [...pfns]
    .filter((pfn) => (types[pfn] as number) < 13)
    .map((pfn) => (xen2 && pfn === PFN.startInfo ? xen2StartInfo() : contents(pfn)));
  writer.pageData(pfns, types, pages);
  writer.tscInfo({ mode: 0, khz: 2_400_000, nsec: 1_000_000_000n, incarnation: 0 });
  const shared = page((memory) => {
    shared_info.at(memory, 0).arch.max_pfn = PFNS;
  });
  writer.sharedInfo(xen2 ? xen2SharedInfo() : shared);
  writer.vcpuBasic(0, context());
  writer.vcpuExtended(0, extended());
  writer.vcpuXsave(0, xsave());
  writer.vcpuMsrs(0, tscAux());
  writer.end();
  if (kind !== 'libxc') writer.libxlEnd();
  return sink.bytes;
};

/** An MSR of which a save may tell. */
const tscAux = (): Uint8Array => {
  const bytes = new Uint8Array(16);
  const memory = new BytesMemory(bytes);
  memory.st32(0, 0xc000_0103);
  memory.st32(8, 5);
  return bytes;
};

const extended = (): Uint8Array => {
  const bytes = new Uint8Array(64);
  new BytesMemory(bytes).st32(4, 64);
  return bytes;
};

const xsave = (): Uint8Array => {
  const bytes = new Uint8Array(16 + 576);
  const memory = new BytesMemory(bytes);
  st64(memory, 0, 3);
  st64(memory, 8, 3);
  return bytes;
};

export const smallImage = write;
