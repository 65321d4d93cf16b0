/*
 * Question 4: what have ctrl_if_suspend() and ctrl_if_resume() to do?
 *
 * Each step's moment is lived through twice, by a kernel that has all steps and by one that lacks this one, and what a person saw is written
 * side by side.
 */
import { CtrlIf } from '@port-xen/ctrl-if';
import { suspendOrder } from '../suspend-order.ts';
import { table } from '../table.ts';
import { STEPS, type Step } from './steps.ts';
import { type Seen, throughSuspend } from './two-hosts.ts';

const LATER = 'asker0: still here\n';
const QUESTION = /asker0: question \d+: (.+)/g;

/** What became of each question: outcome and host, and how many of them. */
const questionsOf = (step: Step, { consoles }: Seen): string[] => {
  const asked = step.asking?.questions ?? 0;
  const outcomes = new Map<string, number>();
  let told = 0;
  for (const [, outcome = ''] of consoles.join('').matchAll(QUESTION)) {
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    told++;
  }
  const lines = [...outcomes].map(([what, n]) => (asked === 1 ? what : `${n} ${what}`));
  if (told < asked) lines.push(asked === 1 ? 'not heard of' : `${asked - told} not heard of`);
  return lines;
};

const describe = (step: Step, seen: Seen): string => {
  if (seen.crashed) return 'the kernel panics';
  const last = seen.consoles[step.cancelled === true ? 0 : 1];
  const words = questionsOf(step, seen);
  if (step.asking?.memory_ticks !== undefined)
    words.push(`request ${seen.memory ?? 'not answered'}`);
  words.push(last.includes(LATER) ? 'console lives' : 'console silent');
  return words.join(', ');
};

/** The entry points of a save and of the restore, in the order in which they ran. */
const entriesOf = (): string[] => {
  const ran: string[] = [];
  throughSuspend({ dom0: 'works' }, CtrlIf, (symbol) => {
    if (!symbol.startsWith('asker')) ran.push(symbol);
  });
  return ran;
};

/** The answer, as tables. */
export const answerCtrlIf = (): string => {
  const rows = STEPS.map((step) => [
    `${step.routine}: ${step.name}`,
    step.when,
    describe(step, throughSuspend(step, CtrlIf)),
    describe(step, throughSuspend(step, step.lacking)),
  ]);
  return [
    suspendOrder(entriesOf()),
    '',
    'The steps of ctrl_if_suspend and ctrl_if_resume in their order, and what is seen of a domain whose kernel has them all, and of one',
    'that lacks this one: saved on host 1, five seconds after its restore on host 2',
    '',
    table(['step', 'at this moment', 'with all steps', 'without this one'], rows),
  ].join('\n');
};
