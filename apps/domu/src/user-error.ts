import { getSystemErrorMessage } from 'node:util';

/** What the user did or asked for cannot be: one sentence and exit status 1, nothing lost. */
export class UserError extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = 'UserError';
  }
}

/** Why a system call failed, as strerror says it, without Node.js's own "ENOENT: …, open '…'": who tells it names the file. */
export const reasonOf = (error: unknown): string => {
  const { errno, message } = error as NodeJS.ErrnoException;
  if (errno === undefined) return message;
  const reason = getSystemErrorMessage(errno);
  return `${reason.charAt(0).toUpperCase()}${reason.slice(1)}`;
};
