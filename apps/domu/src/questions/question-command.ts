import { type Command, InvalidArgumentError } from 'commander';
import { answerAttachResume } from './attach-resume.ts';
import { answerP2m } from './p2m.ts';
import { answerStartOfDay } from './start-of-day.ts';
import { type Lives, liveTwice } from './two-lives.ts';

/** The mail's questions that a run of two lives answers. */
export const ANSWERS: Readonly<Record<string, (lives: Lives) => string>> = {
  '1': answerP2m,
  '3': answerAttachResume,
  '5': answerStartOfDay,
};

const number = (text: string): string => {
  if (text in ANSWERS) return text;
  throw new InvalidArgumentError(`expected ${Object.keys(ANSWERS).join(', ')}, found ${text}.`);
};

/** `domu question N`: answers a question of the mail that port-xen started from, by running. */
export const questionCommand = (program: Command): void => {
  program
    .command('question')
    .description('answer question 1, 3 or 5 of the mail from what a domain does in two lives')
    .argument('<number>', '1: machine addresses; 3: attach and resume; 5: start of day', number)
    .action((which: string) => {
      process.stdout.write(`${ANSWERS[which]?.(liveTwice())}\n`);
    });
};
