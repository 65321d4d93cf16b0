import { leaf, type Text } from '@port-xen/kern';
import type { Uvm } from './uvm.ts';
import { faultText } from './uvm-fault.ts';
import { ioText } from './uvm-io.ts';
import { mmapText } from './uvm-mmap.ts';
import { pdaemonText } from './uvm-pdaemon.ts';

export const uvmText: Text<Uvm> = {
  /** leaf() → pfn or -1. */
  uvm_pagealloc: leaf((m) => m.pages.pageAlloc(), 50),
  /** leaf(pfn). */
  uvm_pagefree: leaf((m, pfn) => m.pages.pageFree(pfn), 50),
  ...faultText,
  ...ioText,
  ...pdaemonText,
  ...mmapText,
};
