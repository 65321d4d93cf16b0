/*
 * The nodes that sysctl(8) knows by name: their numbers, and what their values are made of.
 */

export type SysctlKind = 'text' | 'int' | 'uint' | 'quad';

export interface SysctlNode {
  readonly name: string;
  readonly mib: readonly [number, number];
  /** What the value is, or each word of it: text up to a NUL, or a number of 4 or 8 bytes. */
  readonly kind: SysctlKind;
  /** What the words are called; one word has no name. */
  readonly fields: readonly string[];
}

const node = (
  name: string,
  mib: readonly [number, number],
  kind: SysctlKind,
  ...fields: readonly string[]
): SysctlNode => ({ name, mib, kind, fields });

const RUNSTATES = ['running', 'runnable', 'blocked', 'offline'];
const CLOCK = ['ticks', 'ticks_at_once', 'resumes', 'steps', 'slews', 'mode'];
const UVMEXP = [
  'pagesize',
  'npages',
  'free',
  'anons',
  'swpages',
  'swpginuse',
  'pdpageouts',
  'pageins',
];

export const SYSCTL_NODES: readonly SysctlNode[] = [
  node('kern.ostype', [1, 1], 'text'),
  node('kern.osrelease', [1, 2], 'text'),
  node('kern.version', [1, 4], 'text'),
  node('kern.clockrate', [1, 12], 'int', 'hz', 'tick', 'tickadj', 'stathz', 'profhz'),
  node('kern.hardclock_ticks', [1, 80], 'int'),
  node('kern.boottime', [1, 83], 'quad', 'sec', 'nsec'),
  node('vm.uvmexp2', [2, 5], 'quad', ...UVMEXP),
  node('hw.machine', [6, 1], 'text'),
  node('hw.ncpu', [6, 3], 'int'),
  node('hw.physmem', [6, 5], 'uint'),
  node('hw.pagesize', [6, 7], 'int'),
  node('hw.machine_arch', [6, 10], 'text'),
  node('hw.physmem64', [6, 13], 'quad'),
  node('machdep.xen_runstate', [7, 1024], 'quad', ...RUNSTATES),
  node('machdep.xen_clock', [7, 1025], 'quad', ...CLOCK),
  node('machdep.xen.balloon.current', [7, 1030], 'quad'),
  node('machdep.xen.balloon.target', [7, 1031], 'quad'),
  node('machdep.xen.balloon.min', [7, 1032], 'quad'),
  node('machdep.xen.balloon.max', [7, 1033], 'quad'),
];
