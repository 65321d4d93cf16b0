import type { Command } from 'commander';
import { makeGuest } from '../guest.ts';
import { tcpTable } from './tcp-table.ts';

/** `domu tcp-table`. */
export const tcpTableCommand = (program: Command): void => {
  program
    .command('tcp-table')
    .description('what becomes of TCP connections while one side is saved: every kind, 0 to 3 days')
    .action(() => {
      process.stdout.write(tcpTable(makeGuest(false)));
    });
};
