import { start_info } from '@port-xen/abi';
import { type Cpu, type Kern, PAGE_SIZE } from '@port-xen/kern';
import type { View } from '@port-xen/layout';
import { FlatPmap } from './flat-pmap.ts';
import { command, POOL_PAGES, test_data, test_pages } from './test-data.ts';

/** What the packages under test are made from: stands in for pmap, uvm and machdep. */
export class TestBase {
  readonly cpu: Cpu;
  readonly data: number;
  readonly pages: number;
  readonly kern: Kern;
  readonly pmap: FlatPmap;

  constructor(cpu: Cpu, data: number, pages: number, kern: Kern) {
    this.cpu = cpu;
    this.data = data;
    this.pages = pages;
    this.kern = kern;
    this.pmap = new FlatPmap(cpu, data, pages, kern.args);
  }

  get d(): View<typeof test_data> {
    return test_data.at(this.cpu.memory, this.data);
  }

  get command(): View<typeof command> {
    return command.at(this.cpu.memory, this.pages);
  }

  get startInfo(): View<typeof start_info> {
    return start_info.at(this.cpu.memory, this.d.start_info);
  }

  /** Kernel address of the xenstore page. */
  get storePage(): number {
    return this.d.store_page;
  }

  /** start_info's port of the console. */
  get consolePort(): number {
    const si = this.startInfo;
    return si.memory.ld32(si.address + start_info.offset.console + 8);
  }

  /** Addresses for 64 frames of the grant table. */
  get grantTable(): number {
    return this.pages + test_pages.offset.grants;
  }

  /** Kernel address of the page that is mapped as the user's first one. */
  get userPages(): number {
    return this.pages + test_pages.offset.user;
  }

  /** uvm_km_alloc: zeroed pages that are never given back. */
  kmAlloc(pages: number): number {
    const { d } = this;
    const at = d.pool_used;
    if (at + pages > POOL_PAGES) throw new Error(`the test kernel has ${POOL_PAGES} pages to give`);
    d.pool_used = at + pages;
    return this.pages + test_pages.offset.pool + at * PAGE_SIZE;
  }
}
