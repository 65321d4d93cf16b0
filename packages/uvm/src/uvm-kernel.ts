import type { Cdevsw, Msgbuf, Sched, Syscalls } from '@port-xen/kern';

/** What uvm needs of the page tables of programs. */
export interface UvmUserPmaps {
  create(): number;
  enter(pmap: number, va: number, pa: number, writable: boolean): void;
  remove(pmap: number, va: number): void;
  protect(pmap: number, start: number, end: number): void;
  clearReference(pmap: number, va: number): boolean;
  lookup(pmap: number, va: number): { readonly writable: boolean } | undefined;
  destroy(pmap: number): void;
}

/** What uvm needs of the pmap. */
export interface UvmPmap {
  readonly users: UvmUserPmaps;
  kenterPa(va: number, pa: number, writable: boolean): void;
  kremove(va: number): void;
  extract(pmap: number, va: number): number;
  isMapped(va: number): boolean;
  clearPage(pa: number): void;
  copyPage(from: number, to: number): void;
}

/** What uvm needs of the kernel. */
export interface UvmKern {
  readonly sched: Sched;
  readonly msgbuf: Msgbuf;
  readonly cdevsw: Cdevsw;
  readonly syscalls: Syscalls;
}
