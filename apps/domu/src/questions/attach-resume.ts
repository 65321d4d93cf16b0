/*
 * Question 3: does the attach and resume code of xenbus, xbd and xengnt serve a restore as it serves a boot?
 *
 * Which entry points of each ran in the first life, up to the suspend, and which in the second, up to `domain resumed` and
 * the disk's being there again.
 */
import { table } from './table.ts';
import type { Lives } from './two-lives.ts';

/** Modules of the kernel that are looked at. xengnt has no entry points: it is called by the others. */
const PACKAGES: readonly string[] = ['xenbus', 'xbd', 'machdep'];

const moduleOf = (lives: Lives): ReadonlyMap<string, string> =>
  new Map(lives.guest.engine.image.entries.map(({ symbol, module }) => [symbol, module]));

/** The answer, as a table. */
export const answerAttachResume = (lives: Lives): string => {
  const modules = moduleOf(lives);
  const [first, second] = lives.entries;
  const symbols = [...new Set([...first.keys(), ...second.keys()])].filter((symbol) =>
    PACKAGES.includes(modules.get(symbol) ?? ''),
  );
  // In the order in which they ran first.
  const ran = [...first.keys()];
  const saving = new Set(ran.slice(ran.indexOf('xen_suspend_domain')));
  const use = (symbol: string): string => {
    if (saving.has(symbol)) return second.has(symbol) ? 'save and restore' : 'save';
    if (!second.has(symbol)) return 'boot';
    return first.has(symbol) ? 'boot and restore' : 'restore';
  };
  const rows = symbols
    .map((symbol) => [modules.get(symbol) ?? '', use(symbol), symbol])
    .sort((a, b) => (a.join() < b.join() ? -1 : 1));
  return [
    'Entry points of the kernel that ran: from the boot to the save, and from the restore until the disk was served',
    '',
    table(['package', 'serves', 'entry point'], rows),
  ].join('\n');
};
