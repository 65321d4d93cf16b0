/*
 * The small image with one field wrong: page-table entries, page types and pfns, the P2M, registers, start_info.
 */
import { start_info, vcpu_guest_context } from '@port-xen/abi';
import { type Damaged, recordsOf, withWord, wrongWords } from './damage.ts';
import { PFN, PFNS } from './small-image.ts';

const PAGE = 4096;
const RECORD = 8;
const LIST = RECORD + 8;
const V = vcpu_guest_context.offset;
/** Ordinary pfns with data before each pfn of the image: 0 … 11 have some. */
const TABLES = [
  ['L4[511]', PFN.l4, 511, 0x067n],
  ['L4[260]', PFN.l4, 260, 0x067n],
  ['L3[510]', PFN.l3, 510, 0x067n],
  ['L2[0]', PFN.l2, 0, 0x067n],
  ['L2[1] large', PFN.l2, 1, 0x0e7n],
  ['L1[1] writable', PFN.l1, 1, 0x027n],
  ['L1[1] read-only', PFN.l1, 1, 0x025n],
  ['L1[1] absent', PFN.l1, 1, 0x024n],
  ['user L4[0]', PFN.userL4, 0, 0x067n],
] as const;

const REGISTERS = [
  ['flags', V.flags],
  ['rdx', V.user_regs + 96],
  ['rip', V.user_regs + 128],
  ['rsp', V.user_regs + 152],
  ['trap 14', V.trap_ctxt + 14 * 16 + 8],
  ['ldt_base', V.ldt_base],
  ['gdt_frames[0]', V.gdt_frames],
  ['gdt_ents', V.gdt_ents],
  ['kernel_sp', V.kernel_sp],
  ['event_callback_eip', V.event_callback_eip],
  ['fs_base', V.fs_base],
] as const;

/** Fields of the small image and what they wrongly hold. @param image of any kind */
export function* wrongFields(image: Uint8Array): Generator<Damaged> {
  const at = (record: string): number =>
    recordsOf(image).find(({ name }) => name === record)?.offset ?? 0;
  const pages = at('PAGE_DATA');
  const dataOf = (pfn: number): number => pages + LIST + PFNS * 8 + pfn * PAGE;
  const basic = at('X86_PV_VCPU_BASIC') + RECORD + 8;
  for (const word of wrongWords(PFNS)) {
    const shown = `0x${word.toString(16)}`;
    const put = (name: string, offset: number, value = word): Damaged => ({
      name: `${name} ${shown}`,
      bytes: withWord(image, offset, value & 0xffff_ffff_ffff_ffffn),
    });
    for (const [name, pfn, slot, flags] of TABLES) {
      yield put(name, dataOf(pfn) + slot * 8, (word << 12n) | flags);
    }
    yield put('pfn of page 1', pages + LIST + 8, word & 0xfff_ffff_ffff_ffffn);
    yield put('p2m_frame_list[0]', at('X86_PV_P2M_FRAMES') + RECORD + 8);
    yield put('p2m_frame_list[1]', at('X86_PV_P2M_FRAMES') + RECORD + 16);
    yield put('start_pfn, end_pfn', at('X86_PV_P2M_FRAMES') + RECORD);
    for (const [name, offset] of REGISTERS) yield put(name, basic + offset);
    yield put('cr3', basic + V.ctrlreg + 24, word << 12n);
    yield put('cr1', basic + V.ctrlreg + 8, (word << 12n) | 1n);
    yield put('cr1 without bit 0', basic + V.ctrlreg + 8, word << 12n);
    yield put('store_mfn', dataOf(PFN.startInfo) + start_info.offset.store_mfn);
    yield put('console.domU.mfn', dataOf(PFN.startInfo) + start_info.offset.console);
    yield put('tsc mode and khz', at('X86_TSC_INFO') + RECORD);
    yield put('vcpu id', basic - 8);
    yield put('xcr0_accum', at('X86_PV_VCPU_XSAVE') + RECORD + 16);
    yield put('extended size', at('X86_PV_VCPU_EXTENDED') + RECORD + 8, word << 32n);
  }
  for (let pfn = 0; pfn < 16; pfn++) {
    for (let type = 0n; type < 16n; type++) {
      const word = BigInt(pfn) | (type << 60n);
      yield {
        name: `pfn ${pfn} of type ${type}`,
        bytes: withWord(image, pages + LIST + pfn * 8, word),
      };
    }
  }
}
