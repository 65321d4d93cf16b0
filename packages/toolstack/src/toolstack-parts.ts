import type { Hypervisor } from '@port-xen/hypervisor';
import type { Sim } from '@port-xen/sim';
import type { Engine } from '@port-xen/vcpu';
import type { Xenstored } from '@port-xen/xenstore';
import type { DomainConfig, ShutdownAction } from './domain-config.ts';
import type { DomainController } from './domain-controller.ts';

/** What a toolstack is made of. */
export interface ToolstackParts {
  readonly sim: Sim;
  readonly hv: Hypervisor;
  /** The host's own xenstore: the toolstack opens a connection of domain 0's. */
  readonly xenstored: Pick<Xenstored, 'connect'>;
  /** Without one no domain of xen-2.0 can be made. */
  readonly controller?: DomainController;
  /**
   * What is to execute the vCPUs of a new domain.
   * @param kernel the file that the domain is built from; undefined for one that is restored
   */
  readonly engineFor: (kernel: Uint8Array | undefined, config: DomainConfig) => Engine;
  /** The kernel for a domain that was restored and now is to be started again. Without it such a domain is destroyed. */
  readonly kernelFor?: (config: DomainConfig) => Uint8Array | undefined;
}

export interface SaveOptions {
  /** `-c`: the domain goes on where it is, after the file has been written. */
  readonly checkpoint?: boolean;
  /**
   * How the domain goes on if it does: where it was, by a suspend hypercall that returns 1, or as if it had been restored, by
   * one that returns 0. If it is not given, the kernel's SUSPEND_CANCEL note says.
   */
  readonly resume?: 'cooperative' | 'reset';
}

export interface RestoreOptions {
  /** Takes the place of the file's configuration. */
  readonly config?: DomainConfig;
  /**
   * Looks at the restored memory before anything runs in it.
   * @param pageAt the contents of a page, if the domain has it
   * @throws an Error whose sentence says why the domain cannot run here
   */
  readonly checkKernel?: (pageAt: (pfn: number) => Uint8Array | undefined) => void;
}

/** A domain that was restored; it is paused. */
export interface Restored {
  readonly domid: number;
  readonly config: DomainConfig;
  /** What genuine restore code would have passed over in silence: a sentence each. */
  readonly warnings: readonly string[];
}

/** Told when a domain has shut down, and what is done about it. */
export type ExitListener = (domid: number, reason: number, action: ShutdownAction) => void;
