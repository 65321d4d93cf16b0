/*
 * Xen's own judge of save files: verify-stream-v2, a Python program in Debian's xen-utils-4.17. It checks
 * structure (markers, record types, lengths, zero padding), not order or presence.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { debianPackage } from './debian-package.ts';

const XEN = '/usr/lib/xen-4.17';

/** What the file starts with: xl's header, libxl's, or libxc's. */
export type StreamFormat = 'xl' | 'libxl' | 'libxc';

/** The system's Python before any other on the path: the verifier's modules are made for it. */
const python = (): string => (existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3');

/**
 * Runs verify-stream-v2 over a file.
 *
 * @returns `accepted`, and everything that the program printed
 * @throws Error a sentence, when the program cannot be had or run
 */
export const verifyStream = (
  file: string,
  format: StreamFormat = 'xl',
): { accepted: boolean; output: string } => {
  const program = debianPackage('xen-utils-4.17', `${XEN}/bin/verify-stream-v2`);
  const run = spawnSync(python(), [program, '-f', format, '-v', '-i', file], {
    encoding: 'utf8',
    env: { ...process.env, PYTHONPATH: `${XEN}/lib/python` },
  });
  if (run.status === null) {
    throw new Error(
      `expected ${program} to run, found ${run.error?.message ?? `it ended by ${run.signal}`}`,
    );
  }
  return { accepted: run.status === 0, output: run.stdout + run.stderr };
};
