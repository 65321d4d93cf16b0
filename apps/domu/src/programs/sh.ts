/*
 * sh: a small shell on the console. sh -c COMMANDS: does them and ends.
 *
 *     PROGRAM ARGUMENTS        starts a program and waits for it
 *     PROGRAM ARGUMENTS &      starts it and goes on; `jobs` shows what runs, `wait` waits for all of it
 *     kill PID|%JOB            ends a program
 *     exit [STATUS]            ends; as init's end, the domain's
 *
 * $? in a word is the status of what ended last; after `wait`, of the last job that failed. What was typed is shown as it is read,
 * for nobody else does; backspace takes the last character back, ^U the line.
 *
 * All that it knows is in its variables: the line, how many of the line's commands were done, the jobs.
 */
import {
  done,
  goto,
  type Next,
  type Program,
  routine,
  SYS___wait450,
  SYS_execve,
  SYS_fork,
  SYS_kill,
  SYS_read,
  syscall,
  type UserContext,
} from '@port-xen/kern';
import {
  array,
  bytes,
  cString,
  i64,
  st64,
  struct,
  textOf,
  u32,
  u64,
  type View,
} from '@port-xen/layout';
import { parseLine } from './sh-parse.ts';
import { argumentsOf, exit, numberOf, print, textBytes } from './user.ts';

const LINE_MAX = 512;
const INPUT_MAX = 128;
const NJOB = 12;
const JOB_TEXT = 80;
const NARG = 16;
const WNOHANG = 1;
const SIGTERM = 15;
/** Status of a command that there is not. */
const NOT_FOUND = 127;
const PROMPT = '$ ';

const job = struct('sh_job', { pid: u32, number: u32, text: bytes(JOB_TEXT) });

const sh_data = struct('sh_data', {
  /** The line being typed, or being done. */
  line: bytes(LINE_MAX),
  length: u32,
  /** Commands of the line that were done. */
  commands: u32,
  /** What was read and not yet looked at. */
  input: bytes(INPUT_MAX),
  input_at: u32,
  input_end: u32,
  /** The line is the last one: sh -c, or the console is at its end. */
  last: u32,
  status: u32,
  wstatus: u32,
  jobs_started: u32,
  jobs: array(job, NJOB),
  /** For execve. */
  argv: array(i64, NARG + 1),
  strings: bytes(LINE_MAX + NARG),
  output: bytes(2048),
});

type Data = View<typeof sh_data>;
type Job = View<typeof job>;

const running = struct('sh_locals', { pad: u64 });

const dataOf = (u: UserContext): Data => sh_data.at(u.memory, u.data);

const say = (u: UserContext, then: string, text: string): Next =>
  text === '' ? goto(then) : print(u, then, u.data + sh_data.offset.output, text.slice(0, 2048));

/** The jobs that run. */
const jobsOf = (d: Data): Job[] => {
  const jobs: Job[] = [];
  for (let i = 0; i < NJOB; i++) if (d.jobs.at(i).pid !== 0) jobs.push(d.jobs.at(i));
  return jobs.sort((a, b) => a.number - b.number);
};

const exitStatus = (wstatus: number): number =>
  (wstatus & 0x7f) !== 0 ? 128 + (wstatus & 0x7f) : wstatus >>> 8;

/** The process that `kill` means; one that there is not, when it means none. */
const pidOf = (d: Data, argument: string | undefined): number => {
  if (argument?.startsWith('%') !== true) return numberOf(argument, 0);
  return jobsOf(d).find((one) => `%${one.number}` === argument)?.pid ?? 0;
};

/** Forgets the job that ended. @returns what is to be said about it */
const reap = (d: Data, pid: number): string => {
  const ended = jobsOf(d).find((one) => one.pid === pid);
  if (ended === undefined) return '';
  const status = exitStatus(d.wstatus);
  ended.pid = 0;
  const how = status === 0 ? 'Done' : `Exit ${status}`;
  return `[${ended.number}] ${how} ${textOf(ended.text)}\n`;
};

/** Looks at what was read up to the end of a line. @returns what is to be shown, and whether the line is whole */
const takeInput = (u: UserContext): { shown: string; whole: boolean } => {
  const d = dataOf(u);
  const line = d.line;
  const input = d.input;
  let shown = '';
  let { length } = d;
  let at = d.input_at;
  let whole = false;
  while (at < d.input_end && !whole) {
    const c = input[at++] as number;
    if (c === 0x0a || c === 0x0d) whole = true;
    else if (c === 0x7f || c === 0x08) {
      if (length > 0) shown += '\b \b';
      length = Math.max(0, length - 1);
    } else if (c === 0x15) {
      shown += '\b \b'.repeat(length);
      length = 0;
    } else if (length < LINE_MAX - 1 && c >= 0x20) {
      line[length++] = c;
      shown += String.fromCharCode(c);
    }
  }
  line[length] = 0;
  d.line = line;
  d.length = length;
  d.input_at = at;
  return { shown: whole ? `${shown}\n` : shown, whole };
};

/** The command that is to be done now. */
const currentCommand = (u: UserContext) => {
  const d = dataOf(u);
  return parseLine(textOf(d.line).replaceAll('$?', String(d.status)))[d.commands];
};

const startJob = (d: Data, pid: number, words: readonly string[]): number => {
  for (let i = 0; i < NJOB; i++) {
    const one = d.jobs.at(i);
    if (one.pid !== 0) continue;
    one.pid = pid;
    one.number = ++d.jobs_started;
    one.text = cString(words.join(' ').slice(0, JOB_TEXT - 1));
    return one.number;
  }
  return 0;
};

/** execve's arguments, in the child. */
const execute = (u: UserContext, words: readonly string[]): Next => {
  let at = u.data + sh_data.offset.strings;
  const argv = u.data + sh_data.offset.argv;
  words.slice(0, NARG).forEach((word, i) => {
    u.memory.write(at, cString(word));
    st64(u.memory, argv + 8 * i, at);
    at += word.length + 1;
  });
  st64(u.memory, argv + 8 * Math.min(words.length, NARG), 0);
  return syscall('unstarted', SYS_execve, u.data + sh_data.offset.strings, argv, 0);
};

export const sh: Program = {
  name: 'sh',
  data: sh_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, _, argc, argv) => {
        const [, flag, ...words] = argumentsOf(u, argc, argv);
        if (flag !== '-c') return goto('prompt');
        const d = dataOf(u);
        d.line = textBytes(words.join(' ').slice(0, LINE_MAX - 1));
        d.last = 1;
        return goto('command');
      },

      /** Tells about jobs that have ended meanwhile. */
      prompt: (u: UserContext) => {
        const d = dataOf(u);
        d.length = 0;
        d.commands = 0;
        if (jobsOf(d).length === 0) return say(u, 'read', PROMPT);
        return syscall('prompted', SYS___wait450, -1, u.data + sh_data.offset.wstatus, WNOHANG, 0);
      },
      prompted: (u: UserContext, _, pid) =>
        pid > 0 ? say(u, 'prompt', reap(dataOf(u), pid)) : say(u, 'read', PROMPT),

      read: (u: UserContext) => {
        const d = dataOf(u);
        if (d.input_at < d.input_end) return goto('look');
        return syscall('typed', SYS_read, 0, u.data + sh_data.offset.input, INPUT_MAX);
      },
      typed: (u: UserContext, _, count) => {
        if (count <= 0) return exit(dataOf(u).status);
        const d = dataOf(u);
        d.input_at = 0;
        d.input_end = count;
        return goto('look');
      },
      look: (u: UserContext) => {
        const { shown, whole } = takeInput(u);
        return say(u, whole ? 'command' : 'read', shown);
      },

      command: (u: UserContext) => {
        const d = dataOf(u);
        const command = currentCommand(u);
        if (command === undefined) return d.last === 0 ? goto('prompt') : exit(d.status);
        const [name, argument] = command.words;
        if (name === 'exit') return exit(numberOf(argument, d.status) & 0xff);
        if (name === 'jobs') {
          const lines = jobsOf(d).map((one) => `[${one.number}] Running ${textOf(one.text)}\n`);
          return say(u, 'next', lines.join(''));
        }
        if (name === 'kill') return syscall('killed', SYS_kill, pidOf(d, argument), SIGTERM);
        if (name === 'wait') {
          d.status = 0;
          return goto('wait');
        }
        if (command.background && jobsOf(d).length === NJOB) {
          d.status = 1;
          return say(u, 'next', `sh: expected at most ${NJOB} jobs\n`);
        }
        return syscall('forked', SYS_fork);
      },
      killed: (u: UserContext, _, result) => {
        const d = dataOf(u);
        d.status = result < 0 ? 1 : 0;
        return say(u, 'next', result < 0 ? `sh: kill: error ${-result}\n` : '');
      },
      next: (u: UserContext) => {
        dataOf(u).commands++;
        return goto('command');
      },

      forked: (u: UserContext, _, pid) => {
        const d = dataOf(u);
        const command = currentCommand(u);
        if (command === undefined) return exit(1);
        if (pid < 0) {
          d.status = 1;
          return say(u, 'next', `sh: ${command.words[0]}: cannot fork: error ${-pid}\n`);
        }
        if (pid === 0) return execute(u, command.words);
        if (!command.background) {
          return syscall('waited', SYS___wait450, pid, u.data + sh_data.offset.wstatus, 0, 0);
        }
        return say(u, 'next', `[${startJob(d, pid, command.words)}] ${pid}\n`);
      },
      unstarted: (u: UserContext, _, result) => {
        const why = result === -2 ? 'not found' : `cannot be started: error ${-result}`;
        return say(u, 'unknown', `sh: ${currentCommand(u)?.words[0] ?? ''}: ${why}\n`);
      },
      unknown: () => exit(NOT_FOUND),
      waited: (u: UserContext) => {
        const d = dataOf(u);
        d.status = exitStatus(d.wstatus);
        return goto('next');
      },

      wait: (u: UserContext) =>
        syscall('reaped', SYS___wait450, -1, u.data + sh_data.offset.wstatus, 0, 0),
      reaped: (u: UserContext, _, pid) => {
        if (pid < 0) return goto('next');
        const d = dataOf(u);
        const status = exitStatus(d.wstatus);
        if (status !== 0) d.status = status;
        return say(u, 'wait', reap(d, pid));
      },
      never: () => done(),
    }),
  },
};
