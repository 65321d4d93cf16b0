/*
 * What the snapshot begins with. It is run once, when the snapshot is made (write-snapshot.ts): every source is loaded, every
 * struct has its class and the kernel is laid out by then. A start from the snapshot goes on in `start`, with its own arguments
 * and environment. Until then nothing may look at those, nor at stdout, which would be the maker's for ever.
 *
 *     node --build-snapshot BUNDLE STAMPS     STAMPS: JSON, a Stamp for every file that the bundle was made from
 *
 *     node --snapshot-blob BLOB MAIN …        MAIN: main.ts beside the sources that are to be run
 *
 * A start looks at those files first. When one is not as it was, Node.js is started from the sources in its place.
 */
import { readFileSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startupSnapshot } from 'node:v8';
import pc from 'picocolors';
import { commandLine } from '../command-line.ts';
import { makeGuest } from '../guest.ts';
import { isAsItWas, type Stamp } from './stamps.ts';

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));
const FLAGS = ['--disable-warning=ExperimentalWarning'];

const stamps: readonly Stamp[] = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'));
makeGuest(false);

/** Whether the process that runs now wants colours, by picocolors' own rule: it asked when the snapshot was made. */
const wantsColours = (): boolean => {
  const { argv, env, stdout } = process;
  if (env.NO_COLOR || argv.includes('--no-color')) return false;
  if (env.FORCE_COLOR || argv.includes('--color') || env.CI) return true;
  return stdout.isTTY && env.TERM !== 'dumb';
};

const start = (): void => {
  const [, main = '', ...args] = process.argv;
  // A clone that was copied or moved has a snapshot of the sources where it was.
  if (realpathSync(main) !== MAIN || !stamps.every(isAsItWas)) {
    process.execve?.(process.execPath, [process.execPath, ...FLAGS, main, ...args]);
  }
  Object.assign(pc, pc.createColors(wantsColours()));
  void commandLine();
};

startupSnapshot.setDeserializeMainFunction(start);
