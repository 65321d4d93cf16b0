/*
 * What a domain and whoever builds, saves and restores it have agreed on: what stands in its start_info and its shared_info, and where
 * its P2M is named. The kernel's note XEN_VERSION says which; the configuration carries it in a save file, and Xen knows it of every
 * domain. Pages, page tables, contexts and the file's format are the same for all.
 */
import type { Hypervisor, SharedInfoName } from '@port-xen/hypervisor';
import type { Memory } from '@port-xen/layout';
import type { RestoredFrames } from '@port-xen/migration-stream';
import type { DomainConfig } from './domain-config.ts';
import type { DomainLayout } from './domain-layout.ts';
import type { DomainPorts, HostHandles } from './host-handles.ts';
import { XEN_2 } from './xen2-interface.ts';
import { XEN_3 } from './xen3-interface.ts';

/** Where a domain's P2M is. */
export interface P2mPlace {
  /** How many pfns it is about. */
  readonly pages: number;
  /** The MFNs of its pages, as the guest says. */
  readonly leaves: readonly number[];
}

/** Pages of a suspended domain that daemons know by their frames; -1 for none. */
export type RingMfns = Pick<HostHandles, 'storeMfn' | 'consoleMfn'>;

export interface GuestInterface {
  readonly name: SharedInfoName;
  /** Room for the command line, its NUL included. */
  readonly cmdlineBytes: number;
  /** start_info names pages for xenstore and the console. */
  readonly hasRings: boolean;
  /** @throws ToolstackError for a domain that cannot be of this interface */
  check(config: Pick<DomainConfig, 'maxMem_kib' | 'maxVcpus'>): void;
  /** Ports for a domain that has none. */
  allocatePorts(hv: Hypervisor, domid: number): DomainPorts;
  /** Fills the page of a domain that starts. It is zero before. */
  fillStartInfo(memory: Memory, layout: DomainLayout, handles: HostHandles, cmdline: string): void;
  /** Xen gives shared_info with its clocks in it; the builder masks the events of every vCPU. */
  maskUpcalls(sharedInfo: Memory): void;
  /** Grants to domain 0 what its daemons map. */
  seedGrants(hv: Hypervisor, domid: number, handles: HostHandles): void;
  /** @throws ToolstackError for what the guest has not published, or XenError for frames that are not its own */
  p2mPlace(hv: Hypervisor, domid: number, sharedInfo: Memory): P2mPlace;
  /** Whether a saved page is of this interface. */
  isSharedInfo(saved: Uint8Array): boolean;
  /** Puts what a saved shared_info says into a restored domain's. */
  mergeSharedInfo(page: Uint8Array, saved: Uint8Array): void;
  /** Patches the start_info of a restored domain. @throws FrameError when it names no pages where it has to */
  patchStartInfo(
    page: Uint8Array,
    frames: RestoredFrames,
    sharedInfoMfn: number,
    ports: DomainPorts,
  ): RingMfns;
  /**
   * A suspended domain goes on as if restored: start_info is made what it was.
   * @param mfnOf its P2M
   * @throws ToolstackError or XenError if it is not where the guest said; nothing is written then
   */
  rewriteStartInfo(hv: Hypervisor, domid: number, mfnOf: Int32Array): RingMfns;
  /** And has new ports. */
  tellPorts(hv: Hypervisor, domid: number, ports: DomainPorts): void;
}

export const guestInterface = (name: SharedInfoName = 'xen-3.0'): GuestInterface =>
  name === 'xen-2.0' ? XEN_2 : XEN_3;
