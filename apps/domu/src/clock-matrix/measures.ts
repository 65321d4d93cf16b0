/*
 * What is measured in every cell, and how far it may go.
 */

const TICK_NS = 10e6;

export interface Measure {
  /** As the table has it. */
  readonly text: string;
  readonly unit: 'ms' | 'ticks';
  /** In nanoseconds, or ticks. */
  readonly limit: number;
  /** What a cell is told in which it goes too far. */
  readonly fault: string;
}

/** Largest deviations; the time that a domain was paused is taken off. */
export const MEASURES = {
  monotonic: {
    text: 'monotonic time off the time lived',
    unit: 'ms',
    limit: TICK_NS,
    fault: 'monotonic time is # what passed',
  },
  wall: {
    text: "wall clock off the present host's",
    unit: 'ms',
    limit: TICK_NS,
    fault: "the wall clock is # the host's",
  },
  ticks: {
    text: 'ticks made up at once',
    unit: 'ticks',
    limit: 3,
    fault: '# ticks were made up at once',
  },
  callout: {
    text: 'callout: late by',
    unit: 'ticks',
    limit: 3,
    fault: 'a callout ran # ticks late',
  },
  xbd: {
    text: 'xbd: a block took',
    unit: 'ms',
    limit: 100e6,
    fault: 'a block took # s',
  },
  store: {
    text: 'xenbus: an answer took',
    unit: 'ms',
    limit: 100e6,
    fault: "xenstore's answer took # s",
  },
  wait: {
    text: 'xenbus: a wait ended after its limit by',
    unit: 'ms',
    limit: 2 * TICK_NS,
    fault: 'a wait on xenbus ended # its limit',
  },
  tcp: {
    text: 'TCP timestamps off the time lived',
    unit: 'ms',
    limit: TICK_NS,
    fault: "TCP's timestamps are # what passed",
  },
} as const satisfies Record<string, Measure>;

export type MeasureName = keyof typeof MEASURES;
export type Measured = Readonly<Record<MeasureName, number>>;

export const MEASURE_NAMES: readonly MeasureName[] = Object.keys(MEASURES) as MeasureName[];

/** Nothing went wrong by anything. */
export const nothingMeasured = (): Record<MeasureName, number> =>
  Object.fromEntries(MEASURE_NAMES.map((name) => [name, 0])) as Record<MeasureName, number>;

const seconds = (ns: number): string => (ns / 1e9).toFixed(6);

/** How far ahead of something, or behind it. */
const apart = (ns: number): string =>
  ns < 0 ? `${seconds(-ns)} s behind` : `${seconds(ns)} s ahead of`;

/** What is wrong, as sentences. */
export const faultsOf = (measured: Measured): string[] =>
  MEASURE_NAMES.filter((name) => Math.abs(measured[name]) > MEASURES[name].limit).map((name) => {
    const { unit, fault } = MEASURES[name];
    const value = measured[name];
    const signed = fault.includes('is #') || fault.includes('are #') || fault.includes('ended #');
    const words = unit === 'ticks' ? `${value}` : signed ? apart(value) : seconds(value);
    return fault.replace('#', words);
  });
