/*
 * What the domain builder tells a kernel, as Xen 3 writes it and as Xen 2 did, and what of it the kernel translates itself at a suspend.
 */
import { start_info, xen2_start_info } from '@port-xen/abi';
import { KERNBASE, PAGE_SIZE } from '@port-xen/kern';
import { ldI64, st64, textOf, type View } from '@port-xen/layout';
import { StartOfDay, type Translation } from './start-of-day.ts';

const CONSOLE_MFN = start_info.offset.console;
const CONSOLE_EVTCHN = start_info.offset.console + 8;
const STORE_MFN = start_info.offset.store_mfn;

/** start_info of Xen 3: it names the xenstore and console pages by frame. */
export class Xen3StartOfDay extends StartOfDay {
  /** The page that Xen and the toolstack filled, at boot and again at restore. */
  get startInfo(): View<typeof start_info> {
    return start_info.at(this.cpu.memory, this.d.start_info);
  }

  get magic(): string {
    return textOf(this.startInfo.magic);
  }

  get nrPages(): number {
    return this.startInfo.nr_pages;
  }

  get sharedInfoMa(): number {
    return this.startInfo.shared_info;
  }

  get ptBase(): number {
    return ldI64(this.cpu.memory, this.d.start_info + start_info.offset.pt_base);
  }

  get nrPtFrames(): number {
    return this.startInfo.nr_pt_frames;
  }

  get mfnList(): number {
    return ldI64(this.cpu.memory, this.d.start_info + start_info.offset.mfn_list);
  }

  get commandLine(): string {
    return textOf(this.startInfo.cmd_line);
  }

  get storePage(): number {
    return this.d.store_page;
  }

  get consolePage(): number {
    return this.d.console_page;
  }

  get consolePort(): number {
    return this.cpu.memory.ld32(this.d.start_info + CONSOLE_EVTCHN);
  }

  #frame(offset: number): number {
    return ldI64(this.cpu.memory, this.d.start_info + offset);
  }

  override note(startInfoVa: number, m2p: (mfn: number) => number): void {
    super.note(startInfoVa, m2p);
    const d = this.d;
    d.store_page = KERNBASE + m2p(this.#frame(STORE_MFN));
    d.console_page = KERNBASE + m2p(this.#frame(CONSOLE_MFN));
  }

  /** store_mfn and console.domU.mfn from frames to pfns: nobody but the guest does it. */
  framesToPfns(by: Translation): void {
    for (const offset of [STORE_MFN, CONSOLE_MFN]) {
      const pfn = by.paOf(this.#frame(offset)) / PAGE_SIZE;
      st64(this.cpu.memory, this.d.start_info + offset, pfn);
    }
  }

  /** And back, in a domain that never left. */
  pfnsToFrames(by: Translation): void {
    for (const offset of [STORE_MFN, CONSOLE_MFN]) {
      const mfn = by.mfnOf(this.#frame(offset) * PAGE_SIZE);
      st64(this.cpu.memory, this.d.start_info + offset, mfn);
    }
  }
}

/** start_info of Xen 2: it names one channel, the controller's, and no frame of the domain's own. */
export class Xen2StartOfDay extends StartOfDay {
  get startInfo(): View<typeof xen2_start_info> {
    return xen2_start_info.at(this.cpu.memory, this.d.start_info);
  }

  get magic(): string {
    return 'xen-2.0';
  }

  get nrPages(): number {
    return this.startInfo.nr_pages;
  }

  get sharedInfoMa(): number {
    return this.startInfo.shared_info;
  }

  get ptBase(): number {
    return this.startInfo.pt_base;
  }

  get nrPtFrames(): number {
    return this.startInfo.nr_pt_frames;
  }

  get mfnList(): number {
    return this.startInfo.mfn_list;
  }

  get commandLine(): string {
    return textOf(this.startInfo.cmd_line);
  }

  get domainControllerEvtchn(): number {
    return this.startInfo.domain_controller_evtchn;
  }

  framesToPfns(): void {}

  pfnsToFrames(): void {}
}
