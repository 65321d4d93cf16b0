import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'rolldown';
import { stampOf } from './stamps.ts';

const ENTRY = fileURLToPath(new URL('snapshot.ts', import.meta.url));
/** How a folder begins in which a snapshot is made, and when one of a maker that was killed is taken away. */
const MAKING = 'making-';
const ABANDONED_MS = 60_000;

/** The folders in which snapshots are being made, or were until their maker was killed. */
const workplaces = (cache: string): string[] =>
  readdirSync(cache).filter((name) => name.startsWith(MAKING));

const takeAwayAbandoned = (cache: string): void => {
  for (const name of workplaces(cache)) {
    const path = join(cache, name);
    const made_ms = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (Date.now() - made_ms > ABANDONED_MS) rmSync(path, { recursive: true, force: true });
  }
};

/** V8 keeps a text of nothing but ASCII in half the space, and every start reads it. */
const inAscii = (text: string): string =>
  text.replace(/[^ -~\n\t]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** Every source in one file. @returns the files that it was made from */
const bundle = async (file: string): Promise<readonly string[]> => {
  const { output } = await build({
    input: ENTRY,
    platform: 'node',
    output: { format: 'cjs', file, comments: false },
    plugins: [
      {
        name: 'where each source is',
        transform: (code, id) =>
          code.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(id).href)),
      },
    ],
  });
  writeFileSync(file, inAscii(readFileSync(file, 'utf8')));
  return output[0].moduleIds.filter((id) => !id.startsWith('\0'));
};

/**
 * Writes `start.blob` and `node` into `cache`. They are made beside the old ones and renamed: whoever starts meanwhile finds one
 * or the other. Nothing is written while another maker is at work, nor when a source was changed meanwhile: the bundle may have it
 * as it was before, or after.
 * @param also more files that must be as they are for the snapshot to be used
 * @throws Error when it cannot be made
 */
export const writeSnapshot = async (cache: string, also: readonly string[] = []): Promise<void> => {
  mkdirSync(cache, { recursive: true });
  takeAwayAbandoned(cache);
  // Another start was first. It may be of older sources: then the next start after it finds that out.
  if (workplaces(cache).length > 0) return;
  const folder = mkdtempSync(join(cache, MAKING));
  try {
    const began_ms = Date.now();
    const file = join(folder, 'domu.cjs');
    const stamps = [...(await bundle(file)), ...also].map(stampOf);
    if (!stamps.every(([, changed_ms]) => changed_ms < began_ms)) return;
    const list = join(folder, 'stamps.json');
    writeFileSync(list, JSON.stringify(stamps));
    const blob = join(folder, 'start.blob');
    execFileSync(process.execPath, ['--snapshot-blob', blob, '--build-snapshot', file, list], {
      stdio: 'ignore',
      // picocolors would look at stdout.
      env: { PATH: process.env.PATH, NO_COLOR: '1' },
    });
    const node = join(folder, 'node');
    symlinkSync(process.execPath, node);
    renameSync(blob, join(cache, 'start.blob'));
    renameSync(node, join(cache, 'node'));
  } finally {
    rmSync(folder, { recursive: true });
  }
};
