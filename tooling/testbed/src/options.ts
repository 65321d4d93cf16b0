import type { Sim } from '@port-xen/sim';
import type { DomainConfig, Interface } from '@port-xen/toolstack';
import type { Engine } from '@port-xen/vcpu';
import type { Features } from '@port-xen/xennetback';
import type { FormerLife } from './former-life.ts';
import type { MemoryDisk } from './memory-disk.ts';

/** What a host is. Everything but `sim` has a value that suits a test. */
export interface HostOptions {
  readonly sim: Sim;
  /** 0 … 63; 0. */
  readonly slot?: number;
  /** Whose domains it can run: with `xen-2.0` all MFNs are below 2^20, and there are eight slots; `xen-3.0`. */
  readonly interface?: Interface;
  /** 64. */
  readonly mib?: number;
  /** 2 400 000, and 100 000 more for each slot. */
  readonly tscKhz?: number;
  /** Of the host at sim time 0; an hour, and a day more for each slot. */
  readonly uptime_ns?: number;
  /** Since 1970, at sim time 0; the same for every host: 2026-01-01. */
  readonly wallclock_ns?: number;
  readonly processors?: number;
  /** 1, and 10 more for each slot. */
  readonly firstDomid?: number;
  /** 1, and 3 more for each slot. */
  readonly firstPort?: number;
  /** What the network back end lacks; nothing. */
  readonly netFeatures?: Partial<Features>;
}

/** A domain to be booted. */
export interface BootOptions {
  readonly elf: Uint8Array;
  readonly engine: Engine;
  /** 16. */
  readonly memoryMib?: number;
  readonly cmdline?: string;
  /** By vdev: `{ xvda: memoryDisk(1 << 20) }`. */
  readonly disks?: Readonly<Record<string, MemoryDisk>>;
  /** vdevs that the domain may only read. */
  readonly readonlyDisks?: readonly string[];
  /** Network interfaces on the host's `xenbr0`, by address: `['00:16:3e:00:00:01']`. */
  readonly nics?: readonly string[];
  /** `guest`; a host has no two domains of one name. */
  readonly name?: string;
  readonly paused?: boolean;
  /** Whatever else is to differ from a plain domain. */
  readonly config?: Partial<DomainConfig>;
}

/** A save file being restored. */
export interface RestoreOptions {
  /** By vdev, as at the boot: the disks' contents travel by themselves. */
  readonly disks?: Readonly<Record<string, MemoryDisk>>;
  /** Its name at the boot; `guest`. */
  readonly name?: string;
  readonly paused?: boolean;
  /** Its handles on the host that it comes from: the first use of one here ends the run with a StaleHandle. */
  readonly former?: FormerLife;
  readonly checkKernel?: (pageAt: (pfn: number) => Uint8Array | undefined) => void;
}
