import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BUILD_ID_SIZE } from '@port-xen/kern';
import type { KernelVariant } from './kernel.ts';
import { sourceUrl } from './source-url.ts';

/** `from '…'` of imports and re-exports, types included: what a type says of a layout is part of the kernel too. */
const FROM = /^\s*(?:import|export|\})[^'\n]*from '([^']+)'|^import '([^']+)'/gm;

/** Every source file that the one at `url` reaches through relative imports and the packages of this repository. */
const reach = (url: string, into: Map<string, string>): void => {
  if (into.has(url)) return;
  const text = readFileSync(fileURLToPath(url), 'utf8');
  into.set(url, text);
  for (const match of text.matchAll(FROM)) {
    const imported = sourceUrl(match[1] ?? match[2] ?? '', url);
    if (imported !== undefined) reach(imported, into);
  }
};

/**
 * The kernel's build id: a digest of the sources that it is made of, kernel.ts and all that it imports. A saved guest's stacks
 * hold addresses in its text, so it can go on under the same sources only, and made for the same Xen.
 */
export const buildId = (xen: KernelVariant['interface'] = 'xen-3.0'): Uint8Array => {
  const sources = new Map<string, string>();
  reach(new URL('kernel.ts', import.meta.url).href, sources);
  const hash = createHash('sha256');
  // The contents alone: where a clone lies on the disk makes no difference.
  for (const text of [...sources.values()].sort()) hash.update(text).update('\0');
  // The same sources make two kernels.
  hash.update(xen);
  return new Uint8Array(hash.digest().subarray(0, BUILD_ID_SIZE));
};
