import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BUILD_ID_SIZE } from '@port-xen/kern';

/** The packages whose text or data layout a guest kernel is made of. */
const GUEST_PACKAGES = [
  'abi',
  'clock',
  'evtchn',
  'kern',
  'layout',
  'machdep',
  'pmap',
  'ring',
  'uvm',
  'xbd',
  'xenbus',
  'xencons',
  'xengnt',
];

/**
 * The kernel's build id: a digest of the sources it is made of. A saved guest's stacks hold addresses in its text, so it
 * can go on under the same sources only.
 */
export const buildId = (): Uint8Array => {
  const here = dirname(fileURLToPath(import.meta.url));
  const folders = [
    ...GUEST_PACKAGES.map((name) =>
      fileURLToPath(new URL('.', import.meta.resolve(`@port-xen/${name}`))),
    ),
    join(here, 'programs'),
  ];
  const hash = createHash('sha256');
  for (const folder of folders) {
    for (const file of globSync('**/*.ts', { cwd: folder }).sort()) {
      hash
        .update(file)
        .update('\0')
        .update(readFileSync(join(folder, file)))
        .update('\0');
    }
  }
  hash.update(readFileSync(join(here, 'kernel.ts')));
  return new Uint8Array(hash.digest().subarray(0, BUILD_ID_SIZE));
};
