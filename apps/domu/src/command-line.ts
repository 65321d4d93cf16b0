/*
 * domu: xl's little sister for domains that run in a model of Xen. Names, messages and exit statuses are xl's where xl has them.
 */

import { XenError } from '@port-xen/hypervisor';
import { FrameError, StreamError } from '@port-xen/migration-stream';
import { ToolstackError } from '@port-xen/toolstack';
import { XenstoreError } from '@port-xen/xenstore';
import { Command } from 'commander';
import about from '../package.json' with { type: 'json' };
import { clockMatrixCommand } from './clock-matrix/command.ts';
import { completion } from './completion.ts';
import { worldCommands } from './control/world-commands.ts';
import { createCommand } from './create-command.ts';
import { demoCommand } from './demo-command.ts';
import { imageCommand } from './image/image-command.ts';
import { questionCommand } from './questions/question-command.ts';
import { restoreCommand } from './restore-command.ts';
import { tcpTableCommand } from './tcp-table/command.ts';
import { UserError } from './user-error.ts';
import { xenstoredCommand } from './xenstored-command.ts';

/** What is told in a sentence: the user's errors, and what the machine and the tools refuse. */
const TOLD = [UserError, ToolstackError, StreamError, FrameError, XenError, XenstoreError];

/** Exit status for a bug of ours (EX_SOFTWARE). */
const EXIT_BUG = 70;

/** What there is to ask for. */
const commands = async (): Promise<Command> => {
  const program = new Command('domu')
    .description('runs paravirtual domains in a model of a Xen host, saves and restores them')
    .version(`domu ${about.version}`)
    .showHelpAfterError('(domu --help says what there is)')
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'domu: ')) });
  createCommand(program);
  restoreCommand(program);
  demoCommand(program);
  questionCommand(program);
  clockMatrixCommand(program);
  tcpTableCommand(program);
  worldCommands(program);
  imageCommand(program);
  xenstoredCommand(program);
  await completion(program);
  return program;
};

/** Does what the process's arguments ask for, and sets its exit status. */
export const commandLine = async (): Promise<void> => {
  // Somebody closed the pipe that stdout is: there is nobody left to tell.
  process.stdout.on('error', () => process.exit(141));
  try {
    const program = await commands();
    await program.parseAsync();
  } catch (error) {
    if (TOLD.some((kind) => error instanceof kind)) {
      process.stderr.write(`domu: ${(error as Error).message}\n`);
      process.exitCode = 1;
    } else {
      process.stderr.write(`domu: this is a bug in port-xen, not in what you did\n`);
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      process.exitCode = EXIT_BUG;
    }
  }
};
