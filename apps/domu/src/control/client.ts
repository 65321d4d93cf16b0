import { connect, type Socket } from 'node:net';
import { UserError } from '../user-error.ts';
import type { ListResult, Reply, Request } from './protocol.ts';
import { isDead, pidOf, worldSockets } from './runtime-folder.ts';

/** A world's domain ended while the world was asked, or was never made. */
class WorldEnded extends UserError {}

/**
 * Sends a request.
 * @param patience_ms how long an answer may take; 0: as long as it takes
 * @returns the reply's result and the connection, which is the caller's to end
 */
const send = (
  path: string,
  request: Request,
  patience_ms = 0,
): Promise<{ result: unknown; socket: Socket; rest: Buffer }> =>
  new Promise((settle, fail) => {
    const socket = connect(path);
    socket.setTimeout(patience_ms, () => socket.destroy());
    let got = Buffer.alloc(0);
    const onData = (bytes: Buffer): void => {
      got = Buffer.concat([got, bytes]);
      const end = got.indexOf(10);
      if (end < 0) return;
      socket.off('data', onData);
      socket.setTimeout(0);
      socket.pause();
      const reply = JSON.parse(got.subarray(0, end).toString()) as Reply;
      if (reply.ok) settle({ result: reply.result, socket, rest: got.subarray(end + 1) });
      else {
        socket.destroy();
        fail(new UserError(reply.error));
      }
    };
    socket.on('data', onData);
    socket.on('error', fail);
    socket.on('close', () => fail(new WorldEnded('the world ended before it answered')));
    socket.write(`${JSON.stringify(request)}\n`);
  });

/** One question, one answer. @throws UserError with what the world says */
const ask = async (path: string, request: Request, patience_ms = 0): Promise<unknown> => {
  const { result, socket } = await send(path, request, patience_ms);
  socket.end();
  return result;
};

/**
 * Every running world and its domains. Of one that was killed the socket is removed; one that ends meanwhile is passed over.
 * @param patience_ms so is one that takes longer to answer, if it is not 0
 */
export const worlds = async (patience_ms = 0): Promise<{ path: string; rows: ListResult }[]> => {
  const found: { path: string; rows: ListResult }[] = [];
  for (const path of worldSockets()) {
    try {
      found.push({ path, rows: (await ask(path, { command: 'list' }, patience_ms)) as ListResult });
    } catch (error) {
      if (error instanceof WorldEnded) continue;
      if (!(error instanceof Error && 'code' in error)) throw error;
      isDead(path, error);
    }
  }
  return found;
};

/** A domain and the world that it runs in. */
interface Found {
  readonly path: string;
  /** Its name or number there. */
  readonly domain: string;
}

/** The domains that somebody may mean. Each world is a host of its own: names and numbers are its own too. */
const matches = async (text: string): Promise<Found[]> => {
  const running = await worlds();
  const called = (domain: string): Found[] =>
    running.flatMap(({ path, rows }) =>
      rows.some(({ name, domid }) => name === domain || String(domid) === domain)
        ? [{ path, domain }]
        : [],
    );
  const found = called(text);
  const inProcess = /^(\d+):(.+)$/.exec(text);
  if (found.length > 0 || inProcess === null) return found;
  const [, pid, domain = ''] = inProcess;
  return called(domain).filter(({ path }) => String(pidOf(path)) === pid);
};

/** @param text name or number, which `PID:` may precede @throws UserError when there is no such domain, or more than one */
const findDomain = async (text: string): Promise<Found> => {
  const [found, ...others] = await matches(text);
  if (found === undefined) {
    throw new UserError(`${text} is an invalid domain identifier: no such domain`);
  }
  if (others.length > 0) {
    const ways = [found, ...others].map(({ path }) => `${pidOf(path)}:${text}`);
    throw new UserError(
      `${ways.length} worlds have a domain ${text}: say its process, too (${ways.join(', ')})`,
    );
  }
  return found;
};

/** Asks the world of a domain. */
export const askDomain = async (
  domain: string,
  command: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<unknown> => {
  const found = await findDomain(domain);
  return ask(found.path, { command, domain: found.domain, ...more });
};

/** Asks every world. */
export const askAll = async (command: string): Promise<unknown[]> => {
  const answers: unknown[] = [];
  for (const { path } of await worlds()) answers.push(await ask(path, { command }));
  return answers;
};

/** The console of a domain: a connection, and the bytes that have come already. */
export const openConsole = async (text: string): Promise<{ socket: Socket; rest: Buffer }> => {
  const { path, domain } = await findDomain(text);
  return send(path, { command: 'console', domain });
};
