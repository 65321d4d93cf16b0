import { statSync } from 'node:fs';

/** A file as it was: its path, the time of its last change, ms, and its size, bytes. */
export type Stamp = readonly [path: string, changed_ms: number, size: number];

/** @throws Error when there is no such file */
export const stampOf = (path: string): Stamp => {
  const { mtimeMs, size } = statSync(path);
  return [path, mtimeMs, size];
};

/** Whether a file is as it was. */
export const isAsItWas = ([path, changed_ms, size]: Stamp): boolean => {
  const now = statSync(path, { throwIfNoEntry: false });
  return now !== undefined && now.mtimeMs === changed_ms && now.size === size;
};
