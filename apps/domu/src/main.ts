/*
 * Starts domu from its sources: the first start, and the first after a source was changed. Its five hundred source files are
 * found without asking for each which package it is in, which is half of what the start would take; and meanwhile another
 * process makes the snapshot that the next start finds (start/snapshot.ts), where bin/domu says.
 */
import { registerHooks } from 'node:module';
import { sourceUrl } from './source-url.ts';
import { makeSnapshot } from './start/make-snapshot.ts';

registerHooks({
  resolve(specifier, { parentURL = '' }, next) {
    const url = sourceUrl(specifier, parentURL);
    if (url === undefined) return next(specifier);
    return { url, format: 'module-typescript', shortCircuit: true };
  },
});
const { commandLine } = await import('./command-line.ts');
const { DOMU_SNAPSHOT: cache } = process.env;
if (cache !== undefined) makeSnapshot(cache);
await commandLine();
