/* uvm_km_alloc of a test kernel: pages for whoever asks, from a struct of its own; they are never given back. */
import { type Cpu, type ModuleSpec, PAGE_SIZE } from '@port-xen/kern';
import { bytes, struct, u32 } from '@port-xen/layout';

const POOL_PAGES = 2 * 258;
const pool_data = struct('test_pool', { used: u32 });
const pool_pages = struct('test_pool_pages', { p: bytes(POOL_PAGES * PAGE_SIZE) });

export const poolModules: Readonly<Record<string, ModuleSpec>> = {
  pool: { data: pool_data },
  pool_pages: { data: pool_pages, align: PAGE_SIZE },
};

export const poolUvm = (cpu: Cpu, at: (module: string) => number) => ({
  kmAlloc: (pages: number): number => {
    const pool = pool_data.at(cpu.memory, at('pool'));
    const address = at('pool_pages') + pool.used * PAGE_SIZE;
    pool.used += pages;
    return address;
  },
});
