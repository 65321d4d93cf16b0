/*
 * Question 3: does the attach and resume code of xenbus, xbd, xennet and xengnt serve a restore as it serves a boot?
 *
 * Five things are looked at in a domain's two lives: in which order its devices were suspended and resumed, what the kernel printed as it
 * resumed, which of its routines ran, which event channels it had, and what was said to xenstore, which is how front ends and back ends come
 * to know of each other.
 */
import { channelTable } from './channel-table.ts';
import { storeRows } from './store-table.ts';
import { suspendOrder } from './suspend-order.ts';
import { table } from './table.ts';
import type { Lives, Routine } from './two-lives.ts';
import { WATCHED_PACKAGES } from './watched-methods.ts';

/** Packages of the kernel that are looked at. */
const PACKAGES: readonly string[] = ['machdep', ...WATCHED_PACKAGES, 'xenbus', 'xbd', 'xennet'];
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

const routines = ({ ran: [first, second] }: Lives): string => {
  const has = (all: readonly Routine[], { module, name }: Routine): boolean =>
    all.some((one) => one.module === module && one.name === name);
  const saving = first.slice(first.findIndex(({ name }) => name === 'xen_suspend_domain'));
  const useOf = (routine: Routine): (typeof USES)[number] => {
    if (has(saving, routine)) return 'save';
    if (!has(second, routine)) return 'boot';
    return has(first, routine) ? 'boot and restore' : 'restore';
  };
  const all = [...first, ...second.filter((routine) => !has(first, routine))];
  const rows = PACKAGES.flatMap((module) =>
    USES.flatMap((use) => {
      const of = all.filter((routine) => routine.module === module && useOf(routine) === use);
      const names = of.map(({ name }) => name).sort();
      return wrap(names).map((line, i) => (i === 0 ? [module, use, line] : ['', '', line]));
    }),
  );
  return table(['package', 'serves', 'routines'], rows);
};

/** What the kernel printed from the suspend hypercall's return on. */
const resumeLines = (printed: string): string => {
  const lines = printed.split(/\r?\n/);
  const from = lines.findIndex((line) => line.startsWith('resume:'));
  return lines.slice(from, lines.indexOf('domain resumed') + 1).join('\n');
};

/** The answer, as tables. */
export const answerAttachResume = (lives: Lives): string => {
  const { guest, printed, ran, resumed, store, working } = lives;
  return [
    suspendOrder(ran.flatMap((routinesOf) => routinesOf.map(({ name }) => name))),
    '',
    'What the kernel printed as it resumed',
    '',
    resumeLines(printed[1]),
    '',
    'Routines that ran: from the boot to the save, and from the restore until disk and network were served',
    '',
    routines(lives),
    '',
    'Event channels that the kernel answers: before it was asked to suspend, and when disk and network were served again',
    '',
    channelTable(guest, working, resumed),
    '',
    'What the domain asked xenstore, and told it, from the boot to the save and from the restore until then; 3→4: it was 3, and then 4',
    '',
    table(['', 'nodes', 'at boot', 'at the restore'], storeRows(store)),
  ].join('\n');
};
