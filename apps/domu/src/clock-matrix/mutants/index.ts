/*
 * Clocks of the past, by what users saw of them, each with the cells in which it is seen.
 */
import type { Clock } from '@port-xen/clock';
import type { Cell } from '../cells.ts';
import { Clock2015 } from './clock-2015.ts';
import { Clock2018 } from './clock-2018.ts';
import { StaleClock } from './stale-clock.ts';

export interface Mutant {
  readonly clock: typeof Clock;
  shows(cell: Cell): boolean;
}

const younger = (cell: Cell): boolean => cell.kind === 'restore' && cell.uptime_s < -1;
const older = (cell: Cell): boolean => cell.kind === 'restore' && cell.uptime_s > 1;

export const MUTANTS: Readonly<Record<string, Mutant>> = {
  /** The clock stands still and sleepers never wake. */
  freeze: { clock: Clock2018, shows: younger },
  /** Hundreds of thousands of ticks at once, and a jump. */
  storm: { clock: Clock2015, shows: older },
  /** Time falls back every 4.295 s. */
  sawtooth: { clock: Clock2015, shows: younger },
  /** No ticks after a suspend that was cancelled. */
  silence: {
    clock: Clock2015,
    shows: ({ kind, away_s }) => kind === 'cancelled' && away_s > 0,
  },
  /** The date is that of the save. */
  stale: {
    clock: StaleClock,
    shows: (cell) =>
      cell.kind === 'restore' && cell.away_s > 0 && cell.away_s + cell.wallError_s !== 0,
  },
};
