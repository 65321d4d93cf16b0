/*
 * Makes the snapshot that `bin/domu` starts from, in a folder that a clone has for such things:
 *
 *     node_modules/.cache/domu/start.blob   what V8 had in memory when every source was loaded and the kernel was laid out
 *                              node         the Node.js that made it, which is the only one that can read it
 */
import { fileURLToPath } from 'node:url';
import { writeSnapshot } from './write-snapshot.ts';

await writeSnapshot(
  fileURLToPath(new URL('../../../../node_modules/.cache/domu/', import.meta.url)),
);
