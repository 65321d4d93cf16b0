import type { Evtchn } from '@port-xen/evtchn';
import type { Autoconf, Cpu, Msgbuf, Sched, Softint } from '@port-xen/kern';
import type { Reservation } from '@port-xen/pmap';
import type { Xenbus } from '@port-xen/xenbus';
import type { Xengnt } from '@port-xen/xengnt';
import type { NetworkStack } from './network-stack.ts';

/** What the driver needs of the kernel. */
export interface XennetKern {
  readonly msgbuf: Msgbuf;
  readonly sched: Sched;
  readonly autoconf: Autoconf;
  readonly softint: Softint;
}

/** What it needs of memory. */
export interface XennetPmap {
  /** @returns the physical address behind an address of an address space (0: the kernel's); -1 when nothing is mapped */
  extract(pmap: number, va: number): number;
  mfnOf(pa: number): number;
  /** Changes what is mapped at a kernel address whose tables are there. */
  kreplaceMa(va: number, mfn: number, writable: boolean): void;
  kremove(va: number): void;
  readonly reservation: Pick<Reservation, 'give' | 'take' | 'assign'>;
}

/** Where ring pages and receive pages come from. */
export interface XennetUvm {
  kmAlloc(pages: number): number;
}

/** What it needs of the bus. */
export type XennetBus = Pick<Xenbus, 'bus' | 'otherendIdOf' | 'isPresent' | 'devices'>;

/** Everything that the driver is linked from. */
export interface XennetParts {
  readonly cpu: Cpu;
  readonly kern: XennetKern;
  readonly evtchn: Evtchn;
  readonly xengnt: Xengnt;
  readonly pmap: XennetPmap;
  readonly uvm: XennetUvm;
  readonly xenbus: XennetBus;
  readonly stack: NetworkStack;
}

/** The machine frame behind a kernel address. */
export const mfnAt = ({ pmap }: Pick<XennetParts, 'pmap'>, va: number): number =>
  pmap.mfnOf(pmap.extract(0, va));
