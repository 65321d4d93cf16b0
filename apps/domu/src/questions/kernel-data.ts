import { KERNBASE, PAGE_SIZE } from '@port-xen/kern';
import { BytesMemory, type Memory as Words } from '@port-xen/layout';
import type { Guest } from '../guest.ts';
import type { Memory } from './snapshot.ts';

/** A copy of a module's data of the kernel's, from its pages: what stood at its start is at 0. @param size bytes */
export const kernelData = (guest: Guest, memory: Memory, module: string, size: number): Words => {
  const from = (guest.engine.image.data[module] as number) - KERNBASE;
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; ) {
    const offset = (from + at) % PAGE_SIZE;
    const part = Math.min(PAGE_SIZE - offset, size - at);
    const page = memory.get(Math.floor((from + at) / PAGE_SIZE));
    if (page !== undefined) bytes.set(page.bytes.subarray(offset, offset + part), at);
    at += part;
  }
  return new BytesMemory(bytes);
};
