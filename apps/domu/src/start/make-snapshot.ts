import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * Makes the snapshot for the next start in a process of its own, beside what this one does, which does not end before. A
 * snapshot that cannot be made is none: starts take longer then, and that is all.
 */
export const makeSnapshot = (): void => {
  const maker = fileURLToPath(new URL('snapshot-maker.ts', import.meta.url));
  spawn(process.execPath, [maker], { stdio: 'ignore' }).on('error', () => {});
};
