import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * Makes the snapshot for the next start in a process of its own, beside what this one does, which does not end before. A
 * snapshot that cannot be made is none: starts take longer then, and that is all.
 * @param cache the folder for it
 */
export const makeSnapshot = (cache: string): void => {
  // Whatever this process starts makes none.
  delete process.env.DOMU_SNAPSHOT;
  const maker = fileURLToPath(new URL('snapshot-maker.ts', import.meta.url));
  spawn(process.execPath, [maker, cache], { stdio: 'ignore' }).on('error', () => {});
};
