/*
 * A domain's configuration, as libxl knows it (libxl_domain_config, the part that a PV domain uses). It comes from an
 * xl.cfg text or from the JSON at the head of a save file, and goes back into one.
 */
import type { NicRate } from './nic-rate.ts';

/** What happens to a domain that has shut down (libxl_action_on_shutdown). */
export const SHUTDOWN_ACTIONS = [
  'destroy',
  'restart',
  'restart_rename',
  'preserve',
  'coredump_destroy',
  'coredump_restart',
  'soft_reset',
] as const;

export type ShutdownAction = (typeof SHUTDOWN_ACTIONS)[number];

/** Formats of a disk (libxl_disk_format). Only raw can be attached; the others can be named. */
export const DISK_FORMATS = ['qcow', 'qcow2', 'vhd', 'raw', 'empty', 'qed'] as const;

export type DiskFormat = (typeof DISK_FORMATS)[number];

/** Who serves a disk (libxl_disk_backend). */
export const DISK_BACKENDS = ['phy', 'tap', 'qdisk', 'standalone'] as const;

export type DiskBackend = (typeof DISK_BACKENDS)[number];

/** Whose interface a domain's kernel is written for: the note XEN_VERSION of its ELF file. */
export const INTERFACES = ['xen-3.0', 'xen-2.0'] as const;

export type Interface = (typeof INTERFACES)[number];

/** One virtual disk (libxl_device_disk). */
export interface DiskConfig {
  /** What the back end opens; empty for an empty drive. */
  readonly pdevPath: string;
  /** The name the guest's operator uses: `xvda`, `hda1`. */
  readonly vdev: string;
  readonly format: DiskFormat;
  readonly readwrite: boolean;
  readonly backend?: DiskBackend;
  readonly script?: string;
  readonly removable?: boolean;
  readonly isCdrom?: boolean;
  readonly directIoSafe?: boolean;
  readonly discardEnable?: boolean;
}

/** One virtual network interface (libxl_device_nic). */
export interface NicConfig {
  readonly devid: number;
  /** `00:16:3e:xx:xx:xx`, lower case. */
  readonly mac: string;
  readonly bridge?: string;
  readonly ip?: string;
  readonly ifname?: string;
  readonly script?: string;
  readonly model?: string;
  readonly mtu?: number;
  readonly rate?: NicRate;
}

/** A PV domain (libxl_domain_config). */
export interface DomainConfig {
  readonly name: string;
  /** `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, lower case. */
  readonly uuid: string;
  readonly maxVcpus: number;
  /** The vCPUs that are online at the start, ascending. */
  readonly availVcpus: readonly number[];
  readonly maxMem_kib: number;
  readonly targetMem_kib: number;
  readonly kernel?: string;
  readonly ramdisk?: string;
  readonly cmdline?: string;
  /** Ours alone, and not libxl's: `xen-2.0` has the controller interface. Without it, `xen-3.0`. */
  readonly interface?: Interface;
  readonly maxGrantFrames?: number;
  readonly maxEventChannels?: number;
  readonly disks: readonly DiskConfig[];
  readonly nics: readonly NicConfig[];
  readonly onPoweroff: ShutdownAction;
  readonly onReboot: ShutdownAction;
  readonly onWatchdog: ShutdownAction;
  readonly onCrash: ShutdownAction;
  readonly onSoftReset: ShutdownAction;
}

/** What a PV guest of Xen can have at most (XEN_LEGACY_MAX_VCPUS). */
export const MAX_VCPUS = 32;

/** 512 × 512 × 512 pages, what the frame-list tree can name. */
export const MAX_MEM_KIB: number = 512 ** 3 * 4;

/** What libxl gives a domain that asks for no memory (LIBXL__DEFAULT…: 32 MiB). */
export const DEFAULT_MEM_KIB: number = 32 * 1024;

/** The name that a domain may bear: it becomes the contents of a xenstore node and a column of `xl list`. */
export const isDomainName = (name: string): boolean => /^[\x21-\x7e]{1,128}$/.test(name);
