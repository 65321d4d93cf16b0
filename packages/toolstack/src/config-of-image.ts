import { StreamError } from '@port-xen/migration-stream';
import type { Random } from '@port-xen/sim';
import { domainConfig } from './config-of-cfg.ts';
import { fromJson } from './config-of-json.ts';
import type { DomainConfig } from './domain-config.ts';
import { guestInterface } from './guest-interface.ts';
import { ToolstackError } from './toolstack-error.ts';
import { drawMac, drawUuid } from './uuid.ts';
import { parseXlCfg } from './xl-cfg.ts';

/** xl's words for an image without a configuration. */
export const NO_CONFIG = 'Config file not specified and none in save file';

/** Where the configuration's text begins: after xl's header and a word with its length. */
const OFFSET = 52;

/** A reader's sentence: where in the text, what was expected, what was found. */
const SENTENCE = /^(.*?)expected (.+?), found:? (.*)$/;

const read = (text: string, format: 'json' | 'cfg', random: Random): DomainConfig => {
  if (format === 'json') return fromJson(text);
  const draw = { uuid: () => drawUuid(random), mac: () => drawMac(random) };
  return domainConfig(parseXlCfg(text), draw).config;
};

/**
 * The configuration at the head of a save file: one of a domain that there can be.
 * @param random draws what an xl.cfg text leaves open
 * @throws StreamError that names the member or the line that is wrong
 */
export const configOf = (text: string, format: 'json' | 'cfg', random: Random): DomainConfig => {
  try {
    const config = read(text, format, random);
    guestInterface(config.interface).check(config);
    return config;
  } catch (error) {
    if (!(error instanceof ToolstackError)) throw error;
    const [, at = '', expected = 'the configuration of a PV domain', found = error.message] =
      SENTENCE.exec(error.message) ?? [];
    const words = `Failed to parse config${at === '' ? '' : ` (${at.replace(/: $/, '')})`}`;
    throw new StreamError({ words, expected, found, offset: OFFSET });
  }
};
