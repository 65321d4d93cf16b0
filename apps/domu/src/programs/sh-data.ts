/*
 * What sh knows: the line, how many of its commands were done, the jobs. All of it is in the program's variables.
 */
import type { UserContext } from '@port-xen/kern';
import { array, bytes, cString, i64, struct, textOf, u32, type View } from '@port-xen/layout';
import { type Command, type Line, parseLine } from './sh-parse.ts';

/** A line's characters, and a NUL. */
export const LINE_MAX = 512;
export const INPUT_MAX = 128;
/** As many words as a line can have. */
export const NARG = LINE_MAX / 2;
/** As many bytes of them as execve takes, NULs too. */
export const STRINGS_MAX = 1024;
export const OUTPUT_MAX = 2048;
const NJOB = 12;
const JOB_TEXT = 80;

const job = struct('sh_job', {
  /** 0: no job. */
  pid: u32,
  number: u32,
  /** It has ended, and nobody was told. */
  ended: u32,
  status: u32,
  text: bytes(JOB_TEXT),
});

export const sh_data = struct('sh_data', {
  /** The line being typed, or being done. */
  line: bytes(LINE_MAX),
  length: u32,
  /** Characters that were typed beyond what a line holds. */
  beyond: u32,
  /** Commands of the line that were done. */
  commands: u32,
  /** Arguments of the command that were done, where it takes them one by one. */
  argument: u32,
  /** What its status will be. */
  result: u32,
  /** What was read and not yet looked at. */
  input: bytes(INPUT_MAX),
  input_at: u32,
  input_end: u32,
  /** The line is the last one: sh -c. */
  last: u32,
  status: u32,
  wstatus: u32,
  jobs_started: u32,
  /** The status of a job that failed and was told of before the `wait` whose status it is. */
  failed: u32,
  jobs: array(job, NJOB),
  /** For execve. */
  argv: array(i64, NARG + 1),
  strings: bytes(STRINGS_MAX),
  output: bytes(OUTPUT_MAX),
});

export type ShData = View<typeof sh_data>;
export type ShJob = View<typeof job>;

export const dataOf = (u: UserContext): ShData => sh_data.at(u.memory, u.data);

/** What the line means. */
export const lineOf = (d: ShData): Line => parseLine(textOf(d.line), d.status);

/** The command that is to be done now; undefined when the line is done. */
export const currentCommand = (u: UserContext): Command | undefined => {
  const d = dataOf(u);
  return lineOf(d).commands[d.commands];
};

/** The jobs that run, or ended and were not told of, in the order of their numbers. */
export const jobsOf = (d: ShData): ShJob[] => {
  const jobs: ShJob[] = [];
  for (let i = 0; i < NJOB; i++) if (d.jobs.at(i).pid !== 0) jobs.push(d.jobs.at(i));
  return jobs.sort((a, b) => a.number - b.number);
};

/** Whether there is no room for another job. */
export const jobsAreFull = (d: ShData): boolean => jobsOf(d).length === NJOB;

/** The sentence for that. */
export const TOO_MANY_JOBS = `expected at most ${NJOB} jobs`;

/** A job by `%NUMBER` or by its process. */
export const jobOf = (d: ShData, name: string): ShJob | undefined =>
  jobsOf(d).find((one) => name === `%${one.number}` || name === `${one.pid}`);

/** The shell's status of what wait4 tells. */
export const exitStatus = (wstatus: number): number =>
  (wstatus & 0x7f) !== 0 ? 128 + (wstatus & 0x7f) : wstatus >>> 8;

/** Notes that a process has ended; of a job that was none nothing is known. */
export const noteEnd = (d: ShData, pid: number): void => {
  const one = jobsOf(d).find((candidate) => candidate.pid === pid);
  if (one === undefined) return;
  one.ended = 1;
  one.status = exitStatus(d.wstatus);
};

/** The status of the last job that ended, was not told of and failed; 0 when none did. */
export const failureOf = (d: ShData): number =>
  jobsOf(d).findLast((one) => one.ended !== 0 && one.status !== 0)?.status ?? 0;

/** What is to be said of a job; one that has ended is forgotten by that. */
export const tell = (one: ShJob): string => {
  const failed = one.status === 0 ? 'Done' : `Exit ${one.status}`;
  const how = one.ended === 0 ? 'Running' : failed;
  if (one.ended !== 0) one.pid = 0;
  return `[${one.number}] ${how} ${textOf(one.text)}\n`;
};

/** Forgets the jobs that have ended. @returns what is to be said of them */
export const tellEnded = (d: ShData): string =>
  jobsOf(d)
    .filter((one) => one.ended !== 0)
    .map(tell)
    .join('');

/** Makes a job of a process. @returns its number; there is room */
export const startJob = (d: ShData, pid: number, words: readonly string[]): number => {
  for (let i = 0; i < NJOB; i++) {
    const one = d.jobs.at(i);
    if (one.pid !== 0) continue;
    one.pid = pid;
    one.number = ++d.jobs_started;
    one.ended = 0;
    one.status = 0;
    one.text = cString(words.join(' ').slice(0, JOB_TEXT - 1));
    return one.number;
  }
  return 0;
};
