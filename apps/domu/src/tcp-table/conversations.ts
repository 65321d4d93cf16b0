/*
 * The conversations that a domain leaves in the midst of: what `tcptalk` is told on each side. All of them are held at once.
 */

/** A domain's absence. */
export interface Absence {
  readonly name: string;
  readonly away_s: number;
}

export const ABSENCES: readonly Absence[] = [
  { name: '0', away_s: 0 },
  { name: '10 s', away_s: 10 },
  { name: '1 min', away_s: 60 },
  { name: '10 min', away_s: 600 },
  { name: '1 h', away_s: 3600 },
  { name: '3 h', away_s: 3 * 3600 },
  { name: '1 d', away_s: 86_400 },
  { name: '3 d', away_s: 3 * 86_400 },
];

/** When the domain leaves: seconds after both have begun. */
export const LEAVES_S = 8;
/** Two seconds before that the other is paused, so that a call under way is not answered. */
const CALLS_S = LEAVES_S - 1;
/** Seconds after its return at which what was idle is used again. */
const USED_S = 30;

export interface Conversation {
  readonly name: string;
  readonly port: number;
  /** What `tcptalk` is told where it leaves, and where it stays. @param away_s what the absence is to be */
  readonly leaves: string;
  stays(away_s: number): string;
}

const STAYING = '10.9.0.1';
const LEAVING = '10.9.0.2';
const ANSWERS = 'hear say eof';
const ASKS = 'say hear';
const afterReturn = (away_s: number): number => LEAVES_S + away_s + USED_S;

const listen = (port: number, steps: string): string => `${port} ${steps}`;
const call = (address: string, port: number, steps: string): string =>
  `${address} ${port} ${steps}`;

export const CONVERSATIONS: readonly Conversation[] = [
  {
    name: 'established, who stays sends',
    port: 21,
    leaves: listen(21, 'eof'),
    stays: () => call(LEAVING, 21, 'say=30 shut eof'),
  },
  {
    name: 'established, who leaves sends',
    port: 22,
    leaves: call(STAYING, 22, 'say=30 shut eof'),
    stays: () => listen(22, 'eof'),
  },
  {
    name: 'idle, who stays speaks first',
    port: 23,
    leaves: listen(23, ANSWERS),
    stays: (away_s) => call(LEAVING, 23, `wait=${afterReturn(away_s)} ${ASKS}`),
  },
  {
    name: 'idle, who left speaks first',
    port: 24,
    leaves: call(STAYING, 24, `wait=${USED_S} ${ASKS}`),
    stays: () => listen(24, ANSWERS),
  },
  {
    name: 'idle, keepalive where it stays',
    port: 25,
    leaves: call(STAYING, 25, `wait=${USED_S} ${ASKS}`),
    stays: () => `-k ${listen(25, ANSWERS)}`,
  },
  {
    name: 'idle, keepalive where it leaves',
    port: 26,
    leaves: `-k ${listen(26, ANSWERS)}`,
    stays: (away_s) => call(LEAVING, 26, `wait=${afterReturn(away_s)} ${ASKS}`),
  },
  {
    name: 'half-closed by who leaves, the other sends',
    port: 27,
    leaves: call(STAYING, 27, 'shut eof'),
    stays: () => listen(27, 'eof say=30'),
  },
  {
    name: 'half-closed by who stays, the other sends',
    port: 28,
    leaves: listen(28, 'eof say=30'),
    stays: () => call(LEAVING, 28, 'shut eof'),
  },
  {
    name: 'connecting, who leaves calls',
    port: 29,
    leaves: `-d ${CALLS_S} ${call(STAYING, 29, ASKS)}`,
    stays: () => listen(29, ANSWERS),
  },
  {
    name: 'connecting, who stays calls meanwhile',
    port: 30,
    leaves: listen(30, ANSWERS),
    stays: () => `-d ${LEAVES_S + 4} ${call(LEAVING, 30, ASKS)}`,
  },
  {
    name: 'listening, called after the return',
    port: 31,
    leaves: listen(31, ANSWERS),
    stays: (away_s) => `-d ${afterReturn(away_s)} ${call(LEAVING, 31, ASKS)}`,
  },
];
