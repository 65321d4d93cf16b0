/*
 * The nodes that sysctl(8) knows by name: their numbers, and what their values are made of.
 */

export interface SysctlNode {
  readonly name: string;
  readonly mib: readonly [number, number];
  /** How long each word of the value is, bytes. */
  readonly word: 4 | 8;
  /** What the words are called; one word has no name. */
  readonly fields: readonly string[];
}

const node = (
  name: string,
  mib: readonly [number, number],
  word: 4 | 8,
  ...fields: readonly string[]
): SysctlNode => ({ name, mib, word, fields });

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
  node('kern.clockrate', [1, 12], 4, 'hz', 'tick', 'tickadj', 'stathz', 'profhz'),
  node('kern.hardclock_ticks', [1, 80], 4),
  node('kern.boottime', [1, 83], 8, 'sec', 'nsec'),
  node('vm.uvmexp2', [2, 5], 8, ...UVMEXP),
  node('hw.pagesize', [6, 7], 4),
  node('hw.physmem64', [6, 13], 8),
  node('machdep.xen_runstate', [7, 1024], 8, ...RUNSTATES),
  node('machdep.xen_clock', [7, 1025], 8, ...CLOCK),
  node('machdep.xen.balloon.current', [7, 1030], 8),
  node('machdep.xen.balloon.target', [7, 1031], 8),
  node('machdep.xen.balloon.min', [7, 1032], 8),
  node('machdep.xen.balloon.max', [7, 1033], 8),
];
