import { leaf, type Text } from '@port-xen/kern';
import type { Uvm } from './uvm.ts';

export const uvmText: Text<Uvm> = {
  /** leaf() → pfn or -1. */
  uvm_pagealloc: leaf((m) => m.pageAlloc(), 50),
  /** leaf(pfn). */
  uvm_pagefree: leaf((m, pfn) => m.pageFree(pfn), 50),
};
