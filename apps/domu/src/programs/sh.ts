/*
 * sh: a small shell on the console. sh -c COMMANDS: does them and ends.
 *
 *     PROGRAM ARGUMENTS        starts a program and waits for it
 *     PROGRAM ARGUMENTS &      starts it and goes on; `jobs` shows what runs or has ended since
 *     wait [PID|%JOB…]         waits for these, or for all that run
 *     kill [-SIGNAL] PID|%JOB… ends programs
 *     true, false              do nothing, with status 0 and 1
 *     exit [STATUS]            ends; as init's end, the domain's
 *
 * Commands are joined by `;`, `&&` and `||`; there are no pipes and no redirections. $? in a word is the status of what ended last; after
 * `wait`, of the last job that failed.
 *
 * All that it knows is in its variables (sh-data.ts). A line is read anew for each of its commands.
 */
import {
  done,
  ENOENT,
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
import { cString, st64, struct, u64 } from '@port-xen/layout';
import {
  currentCommand,
  dataOf,
  exitStatus,
  failureOf,
  INPUT_MAX,
  jobOf,
  jobsAreFull,
  jobsOf,
  LINE_MAX,
  lineOf,
  noteEnd,
  OUTPUT_MAX,
  STRINGS_MAX,
  sh_data,
  startJob,
  TOO_MANY_JOBS,
  tell,
  tellEnded,
} from './sh-data.ts';
import { parseKill } from './sh-kill.ts';
import { takeInput } from './sh-line.ts';
import type { Command } from './sh-parse.ts';
import { strerror } from './strerror.ts';
import { argumentsOf, exit, print, textBytes } from './user.ts';

const WNOHANG = 1;
/** Statuses: a line that is wrong; a command that cannot be started, that there is not. */
const USAGE = 2;
const NOT_STARTED = 126;
const NOT_FOUND = 127;
const PROMPT = '$ ';
const TOO_LONG = `sh: expected at most ${LINE_MAX - 1} characters in a line`;

const running = struct('sh_locals', { pad: u64 });

const say = (u: UserContext, then: string, text: string): Next =>
  text === ''
    ? goto(then)
    : print(u, then, u.data + sh_data.offset.output, text.slice(0, OUTPUT_MAX));

const wait4 = (u: UserContext, then: string, pid: number, options = 0): Next =>
  syscall(then, SYS___wait450, pid, u.data + sh_data.offset.wstatus, options, 0);

/** The command was done, or cannot be. @param text what is said about it */
const finish = (u: UserContext, status: number, text = ''): Next => {
  dataOf(u).status = status;
  return say(u, 'next', text);
};

/** execve's arguments, in the child. */
const execute = (u: UserContext, words: readonly string[]): Next => {
  let at = u.data + sh_data.offset.strings;
  const argv = u.data + sh_data.offset.argv;
  words.forEach((word, i) => {
    u.memory.write(at, cString(word));
    st64(u.memory, argv + 8 * i, at);
    at += word.length + 1;
  });
  st64(u.memory, argv + 8 * words.length, 0);
  return syscall('unstarted', SYS_execve, u.data + sh_data.offset.strings, argv, 0);
};

/** Commands of the shell's own. @returns undefined when it is none */
const builtin = (u: UserContext, words: readonly string[]): Next | undefined => {
  const d = dataOf(u);
  const [name, argument] = words;
  switch (name) {
    case 'true':
      return finish(u, 0);
    case 'false':
      return finish(u, 1);
    case 'exit':
      if (argument === undefined) return exit(d.status);
      return /^\d{1,9}$/.test(argument)
        ? exit(Number(argument) & 0xff)
        : finish(u, USAGE, `sh: exit: ${argument}: expected a number\n`);
    case 'jobs':
      return finish(u, 0, jobsOf(d).map(tell).join(''));
    case 'kill': {
      const { wrong } = parseKill(words.slice(1));
      if (wrong !== '') return finish(u, 1, `sh: ${wrong}\n`);
      d.result = 0;
      return goto('kill');
    }
    case 'wait':
      d.result = 0;
      return goto(argument === undefined ? 'wait' : 'wait_for');
    default:
      return undefined;
  }
};

/** Starts a program, when there is room for it. */
const start = (u: UserContext, { words, background }: Command): Next => {
  const d = dataOf(u);
  if (words.reduce((sum, word) => sum + word.length + 1, 0) > STRINGS_MAX) {
    return finish(u, NOT_STARTED, `sh: ${words[0]}: Argument list too long\n`);
  }
  if (!background || !jobsAreFull(d)) return syscall('forked', SYS_fork);
  d.failed = failureOf(d) || d.failed;
  const told = tellEnded(d);
  return told === '' ? finish(u, 1, `sh: ${TOO_MANY_JOBS}\n`) : say(u, 'fork', told);
};

export const sh: Program = {
  name: 'sh',
  data: sh_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, _, argc, argv) => {
        const [, flag, ...words] = argumentsOf(u, argc, argv);
        if (flag === undefined) return goto('prompt');
        const d = dataOf(u);
        d.status = USAGE;
        if (flag !== '-c') return say(u, 'quit', 'usage: sh [-c COMMANDS]\n');
        const line = words.join(' ');
        if (line.length >= LINE_MAX) return say(u, 'quit', `${TOO_LONG}, found ${line.length}\n`);
        d.line = textBytes(line);
        d.last = 1;
        d.status = 0;
        return goto('line');
      },
      quit: (u: UserContext) => exit(dataOf(u).status),

      /** Tells about jobs that have ended meanwhile. */
      prompt: (u: UserContext) => {
        const d = dataOf(u);
        d.length = 0;
        d.beyond = 0;
        return jobsOf(d).length === 0 ? goto('ready') : wait4(u, 'prompted', -1, WNOHANG);
      },
      prompted: (u: UserContext, _, pid) => {
        if (pid <= 0) return goto('ready');
        noteEnd(dataOf(u), pid);
        return goto('prompt');
      },
      ready: (u: UserContext) => {
        const d = dataOf(u);
        d.failed = 0;
        return say(u, 'read', `${tellEnded(d)}${PROMPT}`);
      },

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
        const { shown, whole } = takeInput(dataOf(u));
        return say(u, whole ? 'line' : 'read', shown);
      },

      line: (u: UserContext) => {
        const d = dataOf(u);
        d.commands = 0;
        const { wrong } = lineOf(d);
        const tooLong = d.beyond > 0 ? `${TOO_LONG}, found ${d.length + d.beyond}\n` : '';
        if (tooLong === '' && wrong === '') return goto('command');
        d.status = USAGE;
        return say(u, d.last === 0 ? 'prompt' : 'quit', tooLong || `sh: ${wrong}\n`);
      },
      /** Jobs that have ended are noted; they are told of where somebody asks, or waits, or at the prompt. */
      command: (u: UserContext) =>
        jobsOf(dataOf(u)).length === 0 ? goto('do') : wait4(u, 'noted', -1, WNOHANG),
      noted: (u: UserContext, _, pid) => {
        if (pid <= 0) return goto('do');
        noteEnd(dataOf(u), pid);
        return goto('command');
      },
      do: (u: UserContext) => {
        const d = dataOf(u);
        const command = currentCommand(u);
        if (command === undefined) return goto(d.last === 0 ? 'prompt' : 'quit');
        const { words, after } = command;
        if (after === '&&' ? d.status !== 0 : after === '||' && d.status === 0) return goto('next');
        d.argument = 0;
        return builtin(u, words) ?? start(u, command);
      },
      next: (u: UserContext) => {
        dataOf(u).commands++;
        return goto('command');
      },

      fork: () => syscall('forked', SYS_fork),
      forked: (u: UserContext, _, pid) => {
        const d = dataOf(u);
        const command = currentCommand(u);
        if (command === undefined) return exit(1);
        const { words, background } = command;
        if (pid < 0) return finish(u, 1, `sh: ${words[0]}: cannot fork: ${strerror(-pid)}\n`);
        if (pid === 0) return execute(u, words);
        return background
          ? finish(u, 0, `[${startJob(d, pid, words)}] ${pid}\n`)
          : wait4(u, 'ended', pid);
      },
      unstarted: (u: UserContext, _, error) => {
        const there = error !== -ENOENT;
        const why = there ? `cannot be started: ${strerror(-error)}` : 'not found';
        const name = currentCommand(u)?.words[0] ?? '';
        dataOf(u).status = there ? NOT_STARTED : NOT_FOUND;
        return say(u, 'quit', `sh: ${name}: ${why}\n`);
      },
      ended: (u: UserContext) => finish(u, exitStatus(dataOf(u).wstatus)),

      kill: (u: UserContext) => {
        const d = dataOf(u);
        const { signal, targets } = parseKill(currentCommand(u)?.words.slice(1) ?? []);
        const target = targets[d.argument];
        if (target === undefined) return finish(u, d.result);
        const pid = target.startsWith('%') ? jobOf(d, target)?.pid : Number(target);
        if (pid !== undefined) return syscall('killed', SYS_kill, pid, signal);
        d.argument++;
        d.result = 1;
        return say(u, 'kill', `sh: kill: ${target}: No such job\n`);
      },
      killed: (u: UserContext, _, result) => {
        const d = dataOf(u);
        const { targets } = parseKill(currentCommand(u)?.words.slice(1) ?? []);
        const target = targets[d.argument++];
        if (result === 0) return goto('kill');
        d.result = 1;
        return say(u, 'kill', `sh: kill: ${target}: ${strerror(-result)}\n`);
      },

      wait: (u: UserContext) => {
        const d = dataOf(u);
        d.failed = failureOf(d) || d.failed;
        return say(u, 'wait_more', tellEnded(d));
      },
      wait_more: (u: UserContext) => wait4(u, 'reaped', -1),
      reaped: (u: UserContext, _, pid) => {
        const d = dataOf(u);
        if (pid < 0) {
          const { failed } = d;
          d.failed = 0;
          return finish(u, failed);
        }
        noteEnd(d, pid);
        return goto('wait');
      },
      wait_for: (u: UserContext) => {
        const d = dataOf(u);
        const name = currentCommand(u)?.words[1 + d.argument];
        if (name === undefined) return finish(u, d.result);
        const one = jobOf(d, name);
        if (one !== undefined && one.ended === 0) return wait4(u, 'one_ended', one.pid);
        d.argument++;
        d.result = one?.status ?? NOT_FOUND;
        return say(u, 'wait_for', one ? tell(one) : `sh: wait: ${name}: no job of this shell\n`);
      },
      one_ended: (u: UserContext, _, pid) => {
        noteEnd(dataOf(u), pid);
        return goto('wait_for');
      },
      never: () => done(),
    }),
  },
};
