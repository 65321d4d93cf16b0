/*
 * A page for the arguments of hypercalls that return at once. They are filled, passed and read back within one
 * macro-instruction, so that one page serves everybody.
 */
import { bytes, type Struct, struct, type View } from '@port-xen/layout';
import type { Cpu } from './cpu.ts';
import { PAGE_SIZE } from './image.ts';
import { kassert } from './panic.ts';

export const hypercall_args = struct('hypercall_args', { page: bytes(PAGE_SIZE) });

export class HypercallArgs {
  readonly cpu: Cpu;
  readonly data: number;

  constructor(cpu: Cpu, data: number) {
    this.cpu = cpu;
    this.data = data;
  }

  /** A zeroed struct in the page. @param offset where, when a call needs more than one */
  at<S extends Struct>(type: S, offset = 0): View<S> {
    this.cpu.memory.write(this.words(offset, type.size), new Uint8Array(type.size));
    return type.at(this.cpu.memory, this.data + offset) as View<S>;
  }

  /** The address of `size` bytes in the page. */
  words(offset: number, size: number): number {
    kassert(offset + size <= PAGE_SIZE, 'expected hypercall arguments within a page');
    return this.data + offset;
  }
}
