import type { Socket } from 'node:net';
import { openConsole } from './client.ts';

/** What ends a console: control-], as xl's does. */
const ESCAPE = 0x1d;

/** Joins stdin and stdout to a domain's console until it ends or control-] is typed. */
export const runConsole = async (domain: string): Promise<void> => {
  const { socket, rest } = await openConsole(domain);
  process.stdout.write(rest);
  const { stdin } = process;
  if (stdin.isTTY) stdin.setRawMode(true);
  try {
    await joined(socket);
  } finally {
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.pause();
  }
};

const joined = (socket: Socket): Promise<void> =>
  new Promise((settle) => {
    const { stdin, stdout } = process;
    const end = (): void => {
      socket.destroy();
      settle();
    };
    socket.on('data', (bytes: Buffer) => stdout.write(bytes));
    socket.on('close', () => settle());
    socket.on('error', end);
    socket.resume();
    stdin.on('data', (bytes: Buffer) => {
      const leave = bytes.indexOf(ESCAPE);
      if (leave < 0) socket.write(bytes);
      else {
        if (leave > 0) socket.write(bytes.subarray(0, leave));
        end();
      }
    });
  });
