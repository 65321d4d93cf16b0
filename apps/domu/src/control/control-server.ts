/*
 * The socket on which a running world takes requests. They are served between the world's events, so a world that is asked
 * nothing is the same world as one without a socket.
 */
import { unlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { UserError } from '../user-error.ts';
import type { Commands } from './commands.ts';
import { LINE_MAX, type Reply, type Request } from './protocol.ts';

/** Serves one world's requests. */
export class ControlServer {
  readonly #server: Server;
  readonly #commands: Commands;
  readonly #sockets = new Set<Socket>();

  constructor(path: string, commands: Commands) {
    this.#commands = commands;
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.on('error', (error) => {
      process.stderr.write(`domu: no control socket ${path}: ${error.message}\n`);
    });
    try {
      unlinkSync(path);
    } catch {
      // There was none of a process with this number.
    }
    this.#server.listen(path);
    // A world that has ended does not go on for its socket's sake.
    this.#server.unref();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.end();
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    let line = '';
    const onData = (bytes: Buffer): void => {
      line += bytes.toString('latin1');
      const end = line.indexOf('\n');
      if (end < 0) {
        if (line.length > LINE_MAX) socket.destroy();
        return;
      }
      socket.off('data', onData);
      this.#serve(socket, line.slice(0, end), Buffer.from(line.slice(end + 1), 'latin1'));
    };
    socket.on('data', onData);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #serve(socket: Socket, line: string, rest: Buffer): void {
    const reply = (answer: Reply): void => {
      socket.write(`${JSON.stringify(answer)}\n`);
    };
    const fail = (error: unknown): void => {
      reply({ ok: false, error: error instanceof Error ? error.message : String(error) });
      socket.end();
    };
    let request: Request;
    try {
      request = JSON.parse(line) as Request;
      if (typeof request?.command !== 'string') throw new UserError('expected a command');
    } catch {
      fail(new UserError(`expected a line of JSON with a command, found ${line.slice(0, 80)}`));
      return;
    }
    try {
      if (request.command === 'console') {
        const domid = this.#commands.domain(request);
        reply({ ok: true, result: domid });
        this.#commands.attachConsole(domid, socket, rest);
        return;
      }
      this.#commands.run(request, (error, result) => {
        if (error !== null) fail(error);
        else {
          reply({ ok: true, result: result ?? null });
          socket.end();
        }
      });
    } catch (error) {
      fail(error);
    }
  }
}
