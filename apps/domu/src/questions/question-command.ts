import { type Command, InvalidArgumentError } from 'commander';
import { answerAttachResume } from './attach-resume.ts';
import { answerCtrlIf } from './ctrl-if/ctrl-if.ts';
import { answerP2m } from './p2m.ts';
import { answerStartOfDay } from './start-of-day.ts';
import { type Lives, liveTwice } from './two-lives.ts';

/** The mail's questions that are answered by running: most by two lives of one domain. */
export const ANSWERS: Readonly<Record<string, (lives: () => Lives) => string>> = {
  '1': (lives) => answerP2m(lives()),
  '3': (lives) => answerAttachResume(lives()),
  '4': answerCtrlIf,
  '5': (lives) => answerStartOfDay(lives()),
};

const number = (text: string): string => {
  if (text in ANSWERS) return text;
  throw new InvalidArgumentError(`expected ${Object.keys(ANSWERS).join(', ')}, found ${text}.`);
};

/** `domu question N`: answers a question of the mail that port-xen started from, by running. */
export const questionCommand = (program: Command): void => {
  program
    .command('question')
    .description('answer question 1, 3, 4 or 5 of the mail from what a domain does in two lives')
    .argument(
      '<number>',
      '1: machine addresses; 3: attach and resume; 4: ctrl_if; 5: start of day',
      number,
    )
    .action((which: string) => {
      process.stdout.write(`${ANSWERS[which]?.(() => liveTwice())}\n`);
    });
};
