export type { Conservation } from './conservation.ts';
export { createHost } from './create-host.ts';
export type { FormerLife } from './former-life.ts';
export { type MemoryDisk, memoryDisk } from './memory-disk.ts';
export type { BootOptions, HostOptions, RestoreOptions } from './options.ts';
export type { TestHost } from './test-host.ts';
