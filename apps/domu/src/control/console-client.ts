import type { Socket } from 'node:net';
import { UserError } from '../user-error.ts';
import { openConsole } from './client.ts';
import { FRAME_HEAD, OUTPUT } from './protocol.ts';
import { Untaken } from './untaken.ts';

/** What ends a console: control-], as xl's does. */
const ESCAPE = 0x1d;

/**
 * Joins stdin and stdout to a domain's console until it ends or control-] is typed.
 * @throws UserError when the domain went before it had taken all that was typed
 */
export const runConsole = async (domain: string): Promise<void> => {
  const { socket, rest } = await openConsole(domain);
  const { stdin } = process;
  const untaken = new Untaken();
  if (stdin.isTTY) stdin.setRawMode(true);
  try {
    await joined(socket, rest, untaken);
  } finally {
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.pause();
  }
  if (untaken.sentence !== '') throw new UserError(untaken.sentence);
};

/** Takes the whole frames of `bytes`. @returns what is left of them */
const takeFrames = (bytes: Buffer, untaken: Untaken): Buffer => {
  let at = 0;
  while (bytes.length - at >= FRAME_HEAD) {
    const count = bytes.readUInt32LE(at + 1);
    const isOutput = bytes[at] === OUTPUT;
    const end = at + FRAME_HEAD + (isOutput ? count : 0);
    if (end > bytes.length) break;
    if (isOutput) process.stdout.write(bytes.subarray(at + FRAME_HEAD, end));
    else untaken.taken(count);
    at = end;
  }
  return bytes.subarray(at);
};

const joined = (socket: Socket, rest: Buffer, untaken: Untaken): Promise<void> =>
  new Promise((settle) => {
    const { stdin } = process;
    const end = (): void => {
      socket.destroy();
      settle();
    };
    // Who leaves leaves what he typed to a domain that lives on.
    const leaving = (): void => {
      untaken.taken(Number.MAX_SAFE_INTEGER);
      socket.end(end);
    };
    let got = takeFrames(rest, untaken);
    socket.on('data', (bytes: Buffer) => {
      got = takeFrames(Buffer.concat([got, bytes]), untaken);
    });
    socket.on('close', () => settle());
    socket.on('error', end);
    socket.resume();
    stdin.on('data', (bytes: Buffer) => {
      const leave = bytes.indexOf(ESCAPE);
      const typed = leave < 0 ? bytes : bytes.subarray(0, leave);
      untaken.typed(typed);
      socket.write(typed);
      if (leave >= 0) leaving();
    });
  });
