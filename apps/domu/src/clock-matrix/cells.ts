/*
 * The cells of the matrix: every way in which the machine a guest wakes up on can tell another time than the one it left.
 *
 *     restore              target's uptime minus source's × TSC × TSC × time away × target's wall clock × timer
 *     cancelled, refused   TSC × time away × timer
 */
import { Random } from '@port-xen/sim';

export const UPTIMES_S: readonly number[] = [-2_592_000, -3600, -1, 0, 1, 3600, 2_592_000];
export const TSC_KHZ: readonly number[] = [1_000_000, 2_400_000, 5_000_000];
export const AWAYS_S: readonly number[] = [0, 1, 86_400];
export const WALL_ERRORS_S: readonly number[] = [0, -3600, 3600];
export const TIMERS: readonly string[] = ['tickless', 'oneshot', 'periodic'];

/** The domain left, and is restored on another host. */
export interface RestoreCell {
  readonly kind: 'restore';
  /** Target's uptime minus source's, at the restore. */
  readonly uptime_s: number;
  readonly sourceTscKhz: number;
  readonly targetTscKhz: number;
  readonly away_s: number;
  /** How far the target's wall clock is ahead of the right time. */
  readonly wallError_s: number;
  readonly timer: string;
}

/** The domain stays: the suspend is cancelled, or a device refuses it. */
export interface StayCell {
  readonly kind: 'cancelled' | 'refused';
  readonly tscKhz: number;
  /** How long the save takes, or how long the domain is paused after the refusal. */
  readonly away_s: number;
  readonly timer: string;
}

export type Cell = RestoreCell | StayCell;

/** Every cell, in the order of the table. */
export const allCells = (): Cell[] => {
  const cells: Cell[] = [];
  for (const uptime_s of UPTIMES_S)
    for (const sourceTscKhz of TSC_KHZ)
      for (const targetTscKhz of TSC_KHZ)
        for (const away_s of AWAYS_S)
          for (const wallError_s of WALL_ERRORS_S)
            for (const timer of TIMERS) {
              const tsc = { sourceTscKhz, targetTscKhz };
              cells.push({ kind: 'restore', uptime_s, ...tsc, away_s, wallError_s, timer });
            }
  for (const kind of ['cancelled', 'refused'] as const)
    for (const tscKhz of TSC_KHZ)
      for (const away_s of AWAYS_S)
        for (const timer of TIMERS) cells.push({ kind, tscKhz, away_s, timer });
  return cells;
};

/** Some of the cells, drawn by a seed, in the order of the table. */
export const drawCells = (cells: readonly Cell[], count: number, seed: number): Cell[] => {
  const order = new Random(seed, 'cells').shuffle(cells.map((_, i) => i));
  return order
    .slice(0, count)
    .sort((a, b) => a - b)
    .map((i) => cells[i] as Cell);
};
