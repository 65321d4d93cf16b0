/*
 * Starts domu. Its five hundred source files are found without asking for each which package it is in: half of what a start
 * would take.
 */
import { registerHooks } from 'node:module';
import { sourceUrl } from './source-url.ts';

registerHooks({
  resolve(specifier, { parentURL = '' }, next) {
    const url = sourceUrl(specifier, parentURL);
    if (url === undefined) return next(specifier);
    return { url, format: 'module-typescript', shortCircuit: true };
  },
});
await import('./command-line.ts');
