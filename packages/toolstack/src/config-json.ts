/*
 * The configuration as JSON, in the names and the order of libxl_types.idl: what stands at the head of a save file. Members
 * that have libxl's default are left out. Reading takes any file for hostile: a member that is missing has its default, one
 * that is unknown is passed over as libxl passes it over, one of the wrong kind is a sentence.
 */
import type { DiskConfig, DomainConfig, NicConfig, ShutdownAction } from './domain-config.ts';
import { type Json, yajl } from './yajl.ts';

const defbool = (value: boolean | undefined): Json | undefined =>
  value === undefined ? undefined : value ? 'True' : 'False';

const flag = (value: boolean | undefined): Json | undefined => (value ? 1 : undefined);

const disk = (config: DiskConfig): Json => ({
  pdev_path: config.pdevPath === '' ? undefined : config.pdevPath,
  vdev: config.vdev,
  backend: config.backend,
  format: config.format,
  script: config.script,
  removable: flag(config.removable),
  readwrite: flag(config.readwrite),
  is_cdrom: flag(config.isCdrom),
  direct_io_safe: config.directIoSafe ? true : undefined,
  discard_enable: defbool(config.discardEnable),
});

const nic = (config: NicConfig): Json => ({
  devid: config.devid,
  mtu: config.mtu,
  model: config.model,
  mac: config.mac,
  ip: config.ip,
  bridge: config.bridge,
  ifname: config.ifname,
  script: config.script,
  nictype: 'vif',
  rate_bytes_per_interval: config.rate?.bytesPerInterval,
  rate_interval_usecs: config.rate?.interval_us,
});

const action = (value: ShutdownAction): Json | undefined =>
  value === 'destroy' ? undefined : value;

const list = (items: readonly Json[]): Json | undefined => (items.length === 0 ? undefined : items);

/** The configuration as libxl would write it; ASCII or UTF-8, ended by a newline, without the NUL that ends it in a file. */
export const toJson = (config: DomainConfig): string =>
  yajl({
    c_info: {
      type: 'pv',
      name: config.name,
      uuid: config.uuid,
      run_hotplug_scripts: 'True',
    },
    b_info: {
      max_vcpus: config.maxVcpus,
      avail_vcpus: config.availVcpus,
      max_memkb: config.maxMem_kib,
      target_memkb: config.targetMem_kib,
      shadow_memkb: 0,
      max_grant_frames: config.maxGrantFrames,
      sched_params: {},
      claim_mode: 'True',
      event_channels: config.maxEventChannels,
      kernel: config.kernel,
      cmdline: config.cmdline,
      interface: config.interface === 'xen-3.0' ? undefined : config.interface,
      ramdisk: config.ramdisk,
      'type.pv': {},
      arch_arm: {},
      arch_x86: {},
    },
    disks: list(config.disks.map(disk)),
    nics: list(config.nics.map(nic)),
    on_poweroff: action(config.onPoweroff),
    on_reboot: action(config.onReboot),
    on_watchdog: action(config.onWatchdog),
    on_crash: action(config.onCrash),
    on_soft_reset: action(config.onSoftReset),
  });
