import { readFileSync } from 'node:fs';

/** The most memory that this process has held, MiB. What getrusage says of a child begins with what its parent held. */
export const residentMax_mib = (): number => {
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
};
