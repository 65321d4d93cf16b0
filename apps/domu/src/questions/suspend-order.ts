import { table } from './table.ts';

/**
 * The devices' suspend routines of a save beside the resume routines of the restore, in the order in which they ran, under a heading.
 * @param ran entry points of the kernel in the order of their first run
 */
export const suspendOrder = (ran: Iterable<string>): string => {
  const routines = [...ran].filter((symbol) => !symbol.startsWith('pmf_'));
  const down = routines.filter((symbol) => symbol.endsWith('_suspend'));
  const up = routines.filter((symbol) => symbol.endsWith('_resume'));
  return [
    'The routines of a save and of the restore, in the order in which they ran',
    '',
    table(
      ['', 'down', 'up'],
      down.map((symbol, i) => [`${i + 1}`, symbol, up[i] ?? '']),
    ),
  ].join('\n');
};
