export { domainConfig } from './config-of-cfg.ts';
export { toJson } from './config-json.ts';
export { fromJson } from './config-of-json.ts';
