import {
  DEFAULT_MEM_KIB,
  DISK_BACKENDS,
  DISK_FORMATS,
  type DiskConfig,
  type DomainConfig,
  INTERFACES,
  isDomainName,
  MAX_MEM_KIB,
  MAX_VCPUS,
  type NicConfig,
  SHUTDOWN_ACTIONS,
} from './domain-config.ts';
import { JsonReader } from './json-reader.ts';
import { ToolstackError } from './toolstack-error.ts';
import { uuidBytes, uuidText } from './uuid.ts';
import { vdevNumber } from './vdev.ts';

const TEXT = 4096;

/** What `fields` has, without the members that are undefined. */
const given = <T extends object>(fields: { [K in keyof T]: T[K] | undefined }): Partial<T> =>
  Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Partial<T>;

const disk = (json: JsonReader): DiskConfig => {
  const vdev = json.text('vdev', 32) ?? json.wrong('vdev', 'given');
  vdevNumber(vdev);
  return {
    pdevPath: json.text('pdev_path', TEXT) ?? '',
    vdev,
    format: json.oneOf('format', DISK_FORMATS) ?? 'raw',
    readwrite: json.truth('readwrite') ?? false,
    ...given<
      Pick<
        DiskConfig,
        'backend' | 'script' | 'removable' | 'isCdrom' | 'directIoSafe' | 'discardEnable'
      >
    >({
      backend: json.oneOf('backend', DISK_BACKENDS),
      script: json.text('script', TEXT),
      removable: json.truth('removable'),
      isCdrom: json.truth('is_cdrom'),
      directIoSafe: json.truth('direct_io_safe'),
      discardEnable: json.truth('discard_enable'),
    }),
  };
};

const nic = (json: JsonReader, index: number): NicConfig => {
  const mac = json.text('mac', 17) ?? json.wrong('mac', 'given');
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac)) json.wrong('mac', 'six bytes as xx:xx:…');
  const bytesPerInterval = json.integer('rate_bytes_per_interval', 0, Number.MAX_SAFE_INTEGER) ?? 0;
  const interval_us = json.integer('rate_interval_usecs', 0, 0xffff_ffff) ?? 0;
  const limited = bytesPerInterval > 0 && interval_us > 0;
  return {
    devid: json.integer('devid', 0, 9999) ?? index,
    mac: mac.toLowerCase(),
    ...given<Omit<NicConfig, 'devid' | 'mac'>>({
      bridge: json.text('bridge', TEXT),
      ip: json.text('ip', TEXT),
      ifname: json.text('ifname', TEXT),
      script: json.text('script', TEXT),
      model: json.text('model', TEXT),
      mtu: json.integer('mtu', 0, 65535),
      rate: limited ? { bytesPerInterval, interval_us } : undefined,
    }),
  };
};

/** A complaint that may quote the text, on one line. */
const printable = (text: string): string =>
  text
    .replace(/\s+/g, ' ')
    .replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    const detail = error instanceof SyntaxError ? printable(error.message) : 'it cannot be read';
    throw new ToolstackError(`expected the configuration to be JSON, found: ${detail}`);
  }
};

/**
 * Reads a configuration's JSON.
 *
 * @throws ToolstackError that names the member that is wrong
 */
export const fromJson = (text: string): DomainConfig => {
  const json = new JsonReader(parse(text), 'the configuration');
  const info = json.object('c_info');
  const build = json.object('b_info');
  info.oneOf('type', ['pv']) ?? info.wrong('type', '"pv"');
  const name = info.text('name', 128) ?? info.wrong('name', 'given');
  if (!isDomainName(name)) info.wrong('name', 'printable characters without blanks');
  const uuid = info.text('uuid', 36) ?? info.wrong('uuid', 'given');
  const maxVcpus = build.integer('max_vcpus', 1, MAX_VCPUS) ?? 1;
  const avail = build.integers('avail_vcpus', 0, maxVcpus - 1);
  const maxMem_kib = build.integer('max_memkb', 1, MAX_MEM_KIB) ?? DEFAULT_MEM_KIB;
  const targetMem_kib = build.integer('target_memkb', 1, MAX_MEM_KIB) ?? maxMem_kib;
  if (targetMem_kib > maxMem_kib) build.wrong('target_memkb', `at most max_memkb (${maxMem_kib})`);
  return {
    name,
    uuid: uuidText(uuidBytes(uuid)),
    maxVcpus,
    availVcpus: avail.length === 0 ? [0] : [...new Set(avail)].sort((a, b) => a - b),
    maxMem_kib,
    targetMem_kib,
    ...given<
      Pick<
        DomainConfig,
        'kernel' | 'ramdisk' | 'cmdline' | 'interface' | 'maxGrantFrames' | 'maxEventChannels'
      >
    >({
      kernel: build.text('kernel', TEXT),
      ramdisk: build.text('ramdisk', TEXT),
      cmdline: build.text('cmdline', TEXT),
      interface: build.oneOf('interface', INTERFACES),
      maxGrantFrames: build.integer('max_grant_frames', 1, 4096),
      maxEventChannels: build.integer('event_channels', 1, 4095),
    }),
    disks: json.objects('disks').map(disk),
    nics: json.objects('nics').map(nic),
    onPoweroff: json.oneOf('on_poweroff', SHUTDOWN_ACTIONS) ?? 'destroy',
    onReboot: json.oneOf('on_reboot', SHUTDOWN_ACTIONS) ?? 'destroy',
    onWatchdog: json.oneOf('on_watchdog', SHUTDOWN_ACTIONS) ?? 'destroy',
    onCrash: json.oneOf('on_crash', SHUTDOWN_ACTIONS) ?? 'destroy',
    onSoftReset: json.oneOf('on_soft_reset', SHUTDOWN_ACTIONS) ?? 'destroy',
  };
};
