import type { Random } from '@port-xen/sim';
import { domainConfig } from './config-of-cfg.ts';
import { fromJson } from './config-of-json.ts';
import type { DomainConfig } from './domain-config.ts';
import { guestInterface } from './guest-interface.ts';
import { drawMac, drawUuid } from './uuid.ts';
import { parseXlCfg } from './xl-cfg.ts';

/** xl's words for an image without a configuration. */
export const NO_CONFIG = 'Config file not specified and none in save file';

const read = (text: string, format: 'json' | 'cfg', random: Random): DomainConfig => {
  if (format === 'json') return fromJson(text);
  const draw = { uuid: () => drawUuid(random), mac: () => drawMac(random) };
  return domainConfig(parseXlCfg(text), draw).config;
};

/**
 * The configuration at the head of a save file: one of a domain that there can be.
 * @param random draws what an xl.cfg text leaves open
 * @throws ToolstackError
 */
export const configOf = (text: string, format: 'json' | 'cfg', random: Random): DomainConfig => {
  const config = read(text, format, random);
  guestInterface(config.interface).check(config);
  return config;
};
