/*
 * What the keys of xl.cfg mean (xl_parse.c). Keys that a PV domain of this house has no use for are accepted in silence; a
 * key that xl does not know draws a warning and nothing else.
 */

import { parseDisk } from './disk-spec.ts';
import {
  DEFAULT_MEM_KIB,
  type DomainConfig,
  INTERFACES,
  type Interface,
  isDomainName,
  MAX_MEM_KIB,
  MAX_VCPUS,
  SHUTDOWN_ACTIONS,
  type ShutdownAction,
} from './domain-config.ts';
import { parseNic } from './nic-spec.ts';
import { ToolstackError } from './toolstack-error.ts';
import { uuidBytes, uuidText } from './uuid.ts';
import type { CfgValue, XlCfg } from './xl-cfg.ts';

const IGNORED: ReadonlySet<string> = new Set(
  `bootloader bootloader_args bootloader_restrict bootloader_user builder cap channel claim_mode cpu_weight cpuid cpus
  cpus_soft device_model_args driver_domain e820_host hap init_seclabel iomem ioports irqs keymap localtime
  max_grant_version max_maptrack_frames maxvcpus nomigrate p9 pci pci_permissive pool pvh ramdisk rtc_timeoffset
  sched seclabel shadow_memory suppress_spurious_page_faults tsc_mode vfb vkb vnuma vtpm xend_memory usbctrl usbdev
  autostart vnc vncpasswd type`.split(/\s+/),
);

class Keys {
  readonly #cfg: XlCfg;
  readonly #asked = new Set<string>();

  constructor(cfg: XlCfg) {
    this.#cfg = cfg;
  }

  text(key: string): string | undefined {
    this.#asked.add(key);
    const setting = this.#cfg.get(key);
    if (setting === undefined) return undefined;
    if (typeof setting.value === 'string') return setting.value;
    return this.wrong(key, 'a string', 'a list');
  }

  number(key: string, low: number, high: number): number | undefined {
    const text = this.text(key);
    if (text === undefined) return undefined;
    const number = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
    if (number >= low && number <= high) return number;
    return this.wrong(key, `a number within [${low}, ${high}]`, JSON.stringify(text));
  }

  list<T>(key: string, read: (entry: string, index: number) => T): T[] {
    this.#asked.add(key);
    const value: CfgValue = this.#cfg.get(key)?.value ?? [];
    if (typeof value === 'string') return this.wrong(key, 'a list', JSON.stringify(value));
    return value.map((entry, i) => {
      if (typeof entry !== 'string') return this.wrong(key, 'a list of strings', 'a list in it');
      return this.at(key, () => read(entry, i));
    });
  }

  /** Runs `read`, and says which line its complaint is about. */
  at<T>(key: string, read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof ToolstackError)) throw error;
      throw new ToolstackError(`line ${this.#cfg.get(key)?.line ?? 0}: ${key}: ${error.message}`);
    }
  }

  wrong(key: string, expected: string, found: string): never {
    const line = this.#cfg.get(key)?.line;
    const where = line === undefined ? '' : `line ${line}: `;
    throw new ToolstackError(`${where}expected ${key} to be ${expected}, found ${found}`);
  }

  unknown(): string[] {
    return [...this.#cfg]
      .filter(([key]) => !this.#asked.has(key) && !IGNORED.has(key))
      .map(
        ([key, { line }]) => `line ${line}: ${key} is not a setting that is known, and is ignored`,
      );
  }
}

const action = (keys: Keys, key: string, otherwise: ShutdownAction): ShutdownAction => {
  const text = keys.text(key);
  if (text === undefined) return otherwise;
  const name = text === 'rename-restart' ? 'restart_rename' : text.replaceAll('-', '_');
  const found = SHUTDOWN_ACTIONS.find((one) => one === name);
  const names = SHUTDOWN_ACTIONS.map((one) =>
    one === 'restart_rename' ? 'rename-restart' : one.replaceAll('_', '-'),
  );
  return found ?? keys.wrong(key, `one of ${names.join(', ')}`, JSON.stringify(text));
};

const interfaceOf = (keys: Keys): Interface | undefined => {
  const text = keys.text('interface');
  if (text === undefined) return undefined;
  const found = INTERFACES.find((one) => one === text);
  return found ?? keys.wrong('interface', `one of ${INTERFACES.join(', ')}`, JSON.stringify(text));
};

/** `cmdline`, or else `root=` and `extra` put together. */
const commandLine = (keys: Keys, warnings: string[]): string | undefined => {
  const cmdline = keys.text('cmdline');
  const root = keys.text('root');
  const extra = keys.text('extra');
  if (cmdline !== undefined) {
    if (root !== undefined || extra !== undefined) {
      warnings.push('cmdline is given, so root and extra are ignored');
    }
    return cmdline;
  }
  const parts = [
    ...(root === undefined ? [] : [`root=${root}`]),
    ...(extra === undefined ? [] : [extra]),
  ];
  return parts.length === 0 ? undefined : parts.join(' ');
};

/**
 * The domain that an xl.cfg text describes.
 *
 * @param draw what a configuration may leave to chance: its UUID, and its interfaces' addresses
 * @throws ToolstackError with the line
 */
export const domainConfig = (
  cfg: XlCfg,
  draw: { uuid(): string; mac(): string },
): { config: DomainConfig; warnings: string[] } => {
  const keys = new Keys(cfg);
  const warnings: string[] = [];
  const type = keys.text('type') ?? (keys.text('builder') === 'hvm' ? 'hvm' : 'pv');
  if (type !== 'pv') keys.wrong(cfg.has('type') ? 'type' : 'builder', '"pv"', JSON.stringify(type));
  const name = keys.text('name') ?? keys.wrong('name', 'given', 'none');
  if (!isDomainName(name)) {
    keys.wrong('name', '1 to 128 printable characters without blanks', JSON.stringify(name));
  }
  const uuid = keys.text('uuid');
  const memory_mib = keys.number('memory', 1, MAX_MEM_KIB / 1024);
  const maxmem_mib = keys.number('maxmem', 1, MAX_MEM_KIB / 1024) ?? memory_mib;
  const maxMem_kib = maxmem_mib === undefined ? DEFAULT_MEM_KIB : maxmem_mib * 1024;
  const targetMem_kib = memory_mib === undefined ? maxMem_kib : memory_mib * 1024;
  if (targetMem_kib > maxMem_kib) {
    keys.wrong('memory', `at most maxmem (${maxMem_kib / 1024} MiB)`, `${memory_mib}`);
  }
  const vcpus = keys.number('vcpus', 1, MAX_VCPUS) ?? 1;
  const maxVcpus = Math.max(vcpus, keys.number('maxvcpus', 1, MAX_VCPUS) ?? vcpus);
  const kernel = keys.text('kernel');
  const ramdisk = keys.text('ramdisk');
  const cmdline = commandLine(keys, warnings);
  const xen = interfaceOf(keys);
  const maxGrantFrames = keys.number('max_grant_frames', 1, 4096);
  const maxEventChannels = keys.number('max_event_channels', 1, 4095);
  const config: DomainConfig = {
    name,
    uuid: uuid === undefined ? draw.uuid() : keys.at('uuid', () => uuidText(uuidBytes(uuid))),
    maxVcpus,
    availVcpus: Array.from({ length: vcpus }, (_, i) => i),
    maxMem_kib,
    targetMem_kib,
    ...(kernel !== undefined && { kernel }),
    ...(ramdisk !== undefined && { ramdisk }),
    ...(cmdline !== undefined && { cmdline }),
    ...(xen !== undefined && { interface: xen }),
    ...(maxGrantFrames !== undefined && { maxGrantFrames }),
    ...(maxEventChannels !== undefined && { maxEventChannels }),
    disks: keys.list('disk', parseDisk),
    nics: keys.list('vif', (entry, i) => parseNic(entry, i, draw.mac)),
    onPoweroff: action(keys, 'on_poweroff', 'destroy'),
    onReboot: action(keys, 'on_reboot', 'restart'),
    onWatchdog: action(keys, 'on_watchdog', 'destroy'),
    onCrash: action(keys, 'on_crash', 'destroy'),
    onSoftReset: action(keys, 'on_soft_reset', 'soft_reset'),
  };
  return { config, warnings: [...warnings, ...keys.unknown()] };
};
