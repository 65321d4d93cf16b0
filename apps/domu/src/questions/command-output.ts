import { makeGuest } from '../guest.ts';
import { tcpTable } from '../tcp-table/tcp-table.ts';
import { ANSWERS } from './question-command.ts';
import type { Lives } from './two-lives.ts';

/** What a command prints that a page shows. @param command without its `domu` */
export const commandOutput = (lives: Lives, command: string): string => {
  const answer = ANSWERS[command.replace(/^question /, '')];
  if (answer !== undefined) return answer(() => lives);
  if (command === 'tcp-table') return tcpTable(makeGuest(false));
  throw new Error(`expected question N or tcp-table, found ${command}`);
};
