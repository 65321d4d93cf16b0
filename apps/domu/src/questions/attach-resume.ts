/*
 * Question 3: does the attach and resume code of xenbus, xbd, xennet and xengnt serve a restore as it serves a boot?
 *
 * Four things are looked at in a domain's two lives: in which order its devices were suspended and resumed, what the kernel printed as it
 * resumed, which entry points ran, and what was said to xenstore, which is how front ends and back ends come to know of each other.
 */
import { storeRows } from './store-table.ts';
import { suspendOrder } from './suspend-order.ts';
import { table } from './table.ts';
import type { Lives } from './two-lives.ts';

/** Modules of the kernel that are looked at. xengnt, evtchn and clock have no such entry points: machdep calls them. */
const PACKAGES: readonly string[] = ['machdep', 'xenbus', 'xbd', 'xennet'];
const USES = ['boot', 'boot and restore', 'save', 'restore'] as const;
/** Characters of a line of entry points. */
const LINE = 110;

/** Words in lines. */
const wrap = (words: readonly string[]): string[] => {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= LINE) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines;
};

const entryPoints = (lives: Lives): string => {
  const { entries } = lives.guest.engine.image;
  const moduleOf = new Map(entries.map(({ symbol, module }) => [symbol, module]));
  const [first, second] = lives.entries;
  // In the order in which they ran first.
  const ran = [...first.keys()];
  const saving = new Set(ran.slice(ran.indexOf('xen_suspend_domain')));
  const useOf = (symbol: string): (typeof USES)[number] => {
    if (saving.has(symbol)) return 'save';
    if (!second.has(symbol)) return 'boot';
    return first.has(symbol) ? 'boot and restore' : 'restore';
  };
  const symbols = [...new Set([...ran, ...second.keys()])].sort();
  const rows = PACKAGES.flatMap((module) =>
    USES.flatMap((use) => {
      const of = symbols.filter((s) => moduleOf.get(s) === module && useOf(s) === use);
      return wrap(of).map((line, i) => (i === 0 ? [module, use, line] : ['', '', line]));
    }),
  );
  return table(['package', 'serves', 'entry points'], rows);
};

/** What the kernel printed from the suspend hypercall's return on. */
const resumeLines = (printed: string): string => {
  const lines = printed.split(/\r?\n/);
  const from = lines.findIndex((line) => line.startsWith('resume:'));
  return lines.slice(from, lines.indexOf('domain resumed') + 1).join('\n');
};

/** The answer, as tables. */
export const answerAttachResume = (lives: Lives): string => {
  const [first, second] = lives.entries;
  return [
    suspendOrder([...first.keys(), ...second.keys()]),
    '',
    'What the kernel printed as it resumed',
    '',
    resumeLines(lives.printed[1]),
    '',
    'Entry points that ran: from the boot to the save, and from the restore until disk and network were served',
    '',
    entryPoints(lives),
    '',
    'What the domain asked xenstore, and told it, until then; a state that went from 3 to 4 is 3→4',
    '',
    table(['', 'nodes', 'at boot', 'at the restore'], storeRows(lives.store)),
  ].join('\n');
};
