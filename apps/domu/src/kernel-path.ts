/*
 * What of a kernel depends on the Xen that it is for: where shared_info keeps things, and which packages lead to domain 0.
 */
import type { HostTime } from '@port-xen/clock';
import type { Evtchn } from '@port-xen/evtchn';
import type { Cpu, Kern, KernelSpec, Linked, SharedInfoLayout } from '@port-xen/kern';
import type { BalloonStore, Machdep, PageLender } from '@port-xen/machdep';
import type { linkNetinet } from '@port-xen/netinet';
import type { Pmap } from '@port-xen/pmap';
import type { Uvm } from '@port-xen/uvm';

/** What every kernel has. */
export interface KernelBase {
  readonly cpu: Cpu;
  readonly kern: Kern;
  readonly pmap: Pmap;
  readonly uvm: Uvm;
  readonly evtchn: Evtchn;
  readonly net: ReturnType<typeof linkNetinet>;
  /** The address of a module's data. */
  at(module: string): number;
}

/** What the Xen's own packages give to the machine-dependent kernel. */
export type MachdepPath = Pick<
  Machdep,
  'startOfDay' | 'xengnt' | 'p2mFrameList' | 'controlPath' | 'console' | 'shutdown'
>;

export interface KernelPath {
  readonly layout: SharedInfoLayout;
  /** This Xen's clock. */
  time(cpu: Cpu, sharedInfo: number): HostTime;
  readonly modules: KernelSpec['modules'];
  link(base: KernelBase): {
    readonly machdep: MachdepPath;
    /** Where the balloon learns what is wanted. */
    readonly watches?: BalloonStore;
    /** Who gives pages away for a time. */
    readonly lender?: PageLender;
    /** Objects by module name. */
    readonly linked: Linked;
  };
}
