/*
 * What sh's kill is asked for: kill [-SIGNAL | -s SIGNAL] PID|%JOB…; a signal by its name, SIG before it or not, or by its number.
 * A signal ends its process, there are no handlers and nothing stops or goes on: only those are known whose default it is to end one
 * (signal(7)), and 0, which asks whether a process is there.
 */

const SIGNALS: Readonly<Record<string, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ABRT: 6,
  KILL: 9,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  USR1: 30,
  USR2: 31,
};
const USAGE = 'usage: kill [-SIGNAL] PID|%JOB';

/** A signal's number; undefined for one that is none here. */
const signalOf = (text: string): number | undefined => {
  const name = text.toUpperCase().replace(/^SIG/, '');
  if (name in SIGNALS) return SIGNALS[name];
  const known = [0, ...Object.values(SIGNALS)];
  return /^\d{1,2}$/.test(text) && known.includes(Number(text)) ? Number(text) : undefined;
};

export interface Kill {
  readonly signal: number;
  /** Processes and jobs. */
  readonly targets: readonly string[];
  /** What is wrong, a sentence; '' when nothing is. */
  readonly wrong: string;
}

/** @param words what stands after `kill` */
export const parseKill = (words: readonly string[]): Kill => {
  const refuse = (wrong: string): Kill => ({ signal: 0, targets: [], wrong });
  let name = 'TERM';
  let targets = words;
  if (words[0]?.startsWith('-')) {
    const apart = words[0] === '-s';
    name = apart ? (words[1] ?? '') : words[0].slice(1);
    targets = words.slice(apart ? 2 : 1);
  }
  if (targets.length === 0) return refuse(USAGE);
  const signal = signalOf(name);
  if (signal === undefined) {
    const known = Object.keys(SIGNALS).join(' ');
    return refuse(`kill: ${name}: no signal that ends a process; these do: ${known}`);
  }
  const odd = targets.find((text) => !/^%?\d{1,9}$/.test(text));
  return odd === undefined
    ? { signal, targets, wrong: '' }
    : refuse(`kill: ${odd}: expected a process's number or %JOB`);
};
