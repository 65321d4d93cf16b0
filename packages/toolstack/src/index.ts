export { toJson } from './config-json.ts';
export { domainConfig } from './config-of-cfg.ts';
export { configOf } from './config-of-image.ts';
export { fromJson } from './config-of-json.ts';
export { type DiskRow, diskListText } from './disk-list.ts';
export { parseDisk } from './disk-spec.ts';
export {
  DISK_BACKENDS,
  DISK_FORMATS,
  type DiskBackend,
  type DiskConfig,
  type DiskFormat,
  type DomainConfig,
  INTERFACES,
  type Interface,
  isDomainName,
  type NicConfig,
  SHUTDOWN_ACTIONS,
  type ShutdownAction,
} from './domain-config.ts';
export type { ControlChannel, DomainController } from './domain-controller.ts';
export { type DomainLayout, domainLayout } from './domain-layout.ts';
export { type DomainRow, domainListText } from './domain-list.ts';
export { dumpCore } from './dump-core.ts';
export { type KernelImage, kernelImage } from './kernel-image.ts';
export { oldMfn, slotHint } from './slot-hint.ts';
export { Toolstack } from './toolstack.ts';
export { ToolstackError } from './toolstack-error.ts';
export type {
  ExitListener,
  Restored,
  RestoreOptions,
  SaveOptions,
  ToolstackParts,
} from './toolstack-parts.ts';
export { drawMac, drawUuid } from './uuid.ts';
export { vdevNumber } from './vdev.ts';
export { type ImageVerdict, verifyImage } from './verify-image.ts';
export { parseXlCfg, type Setting, type XlCfg } from './xl-cfg.ts';
