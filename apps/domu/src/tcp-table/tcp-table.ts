import type { Guest } from '../guest.ts';
import { table } from '../questions/table.ts';
import { ABSENCES, CONVERSATIONS, type Conversation } from './conversations.ts';
import { type End, type Ends, runAbsence } from './run-absence.ts';

/** What strerror(3) says, in a letter. */
const LETTERS: readonly (readonly [text: string, letter: string])[] = [
  ['Connection timed out', 'T'],
  ['Connection reset by peer', 'R'],
  ['Host is down', 'D'],
  ['Broken pipe', 'P'],
];

/** How long after the departure, as a person would say it. */
const after = (time_s: number): string =>
  time_s < 600 ? `${time_s}s` : `${Math.round(time_s / 60)}m`;

const letterOf = (end: End | undefined): string => {
  if (end === undefined) return 'w';
  if (end.text.startsWith('done')) return 'ok';
  const letter = LETTERS.find(([text]) => end.text.endsWith(text))?.[1] ?? end.text;
  return `${letter} ${after(end.time_s)}`;
};

/** What became of one conversation. */
const cell = ({ leaves, stays }: Ends, { port }: Conversation): string => {
  const left = letterOf(leaves.get(port));
  const stayed = letterOf(stays.get(port));
  return left === 'ok' && stayed === 'ok' ? 'goes on' : `${stayed} / ${left}`;
};

const LEGEND = `
who stays / who left: ok  it said and heard all it was to   w  it waits still, 20 min after the return
                      T   Connection timed out              R  Connection reset by peer
                      D   Host is down                      P  Broken pipe
and how long after the departure the program was told
`;

/** What becomes of connections of a domain that is away, for how long: `domu tcp-table`. */
export const tcpTable = (guest: Guest): string => {
  const runs = ABSENCES.map(({ away_s }) => runAbsence(guest, away_s));
  const rows = CONVERSATIONS.map((one) => [one.name, ...runs.map((ends) => cell(ends, one))]);
  return `${table(['away for', ...ABSENCES.map(({ name }) => name)], rows)}\n${LEGEND}`;
};
