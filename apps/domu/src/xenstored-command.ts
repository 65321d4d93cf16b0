/*
 * A xenstore alone: no host, no domains, a socket for Xen's own clients. Replaced in mid-flight by
 * `xenstore-control live-update -c "xenstored --socket PATH" DOMU`: the process that comes after
 * this one finds, in what it was started with, that it is to take over instead of listening.
 */
import { accessSync, constants } from 'node:fs';
import { Sim } from '@port-xen/sim';
import { Xenstored, type XenstoredOptions } from '@port-xen/xenstore';
import { warmUp, XenstoreServer } from '@port-xen/xenstore-node';
import type { Command } from 'commander';
import { UserError } from './user-error.ts';

const isExecutable = (program: string): boolean => {
  try {
    accessSync(program, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const listen = async (daemon: Xenstored, socket: string): Promise<XenstoreServer> => {
  try {
    return await XenstoreServer.listen(daemon, socket);
  } catch (error) {
    throw new UserError((error as Error).message);
  }
};

/** Serves at `socket` until the process is told to end, or another takes over. */
const serve = async (socket: string): Promise<void> => {
  let server: XenstoreServer | undefined;
  const handOver = async (program: string, args: readonly string[]): Promise<void> => {
    try {
      await server?.replaceBy(program, args);
      process.exit(0);
    } catch (error) {
      process.stderr.write(`domu: no other process took over: ${(error as Error).message}\n`);
    }
  };
  const options: XenstoredOptions = {
    sim: new Sim(1),
    replace: (program, args) => {
      if (!isExecutable(program)) return 'ENOENT';
      setImmediate(() => void handOver(program, args));
      return undefined;
    },
  };
  if (XenstoreServer.mustTakeOver()) {
    ({ server } = await XenstoreServer.takeOver(options));
  } else {
    warmUp();
    server = await listen(new Xenstored(options), socket);
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void server?.close().then(() => process.exit(0)));
  }
  process.stdout.write(`xenstored: ${server.path}, process ${process.pid}\n`);
};

/** `domu xenstored --socket PATH`. */
export const xenstoredCommand = (program: Command): void => {
  program
    .command('xenstored')
    .description("serve a xenstore, alone, to Xen's own clients (XENSTORED_PATH)")
    .requiredOption('--socket <path>', 'the Unix socket to listen at')
    .action(({ socket }: { socket: string }) => serve(socket));
};
