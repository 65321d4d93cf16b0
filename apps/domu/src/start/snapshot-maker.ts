/*
 * Makes the snapshot that `bin/domu` starts from, in a folder that a clone has for such things:
 *
 *     node_modules/.cache/domu/start.blob   what V8 had in memory when every source was loaded and the kernel was laid out
 *                              node         the Node.js that made it, which is the only one that can read it
 *
 *     node snapshot-maker.ts FOLDER
 */
import { writeSnapshot } from './write-snapshot.ts';

const [cache] = process.argv.slice(2);
if (cache === undefined) throw new Error('expected a folder');
await writeSnapshot(cache);
