import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Server, Socket } from 'node:net';
import {
  type Outlet,
  type ServedConnection,
  type SocketState,
  type Successor,
  Xenstored,
  type XenstoredOptions,
} from '@port-xen/xenstore';
import { SocketConnection } from './socket-connection.ts';

/** sun_path has room for 107 bytes and a NUL. */
const PATH_MAX_bytes = 107;
/** Where a successor finds what it takes over: a file with the state, the listening socket, then the clients. */
const STATE_FD = 3;
const LISTENER_FD = 4;
/** How long a client may leave its answers untaken when the server is replaced. */
const PATIENCE_ms = 1000;
const PATH_VARIABLE = 'PORT_XEN_XENSTORE_SOCKET';

/**
 * Serves a daemon on a Unix socket, to Xen's own clients and any other. Who can open the socket (mode 0600) speaks as
 * dom0.
 */
export class XenstoreServer {
  readonly path: string;
  readonly #daemon: Xenstored;
  readonly #server: Server = createServer((socket) => {
    this.#attach((outlet) => this.#daemon.serve(0, outlet), socket);
  });
  readonly #connections = new Set<SocketConnection>();
  readonly #handled: () => void;

  private constructor(path: string, daemon: Xenstored, handled: () => void) {
    this.path = path;
    this.#daemon = daemon;
    this.#handled = handled;
  }

  /**
   * Listens at `path`. A socket that a dead server left there is replaced.
   * @param handled called whenever requests that came through the socket have been handled: a world that rests may have
   *   something to do then
   * @throws Error when somebody serves there, when something else is there, or the path is too long for a socket
   */
  static async listen(
    daemon: Xenstored,
    path: string,
    handled: () => void = () => undefined,
  ): Promise<XenstoreServer> {
    const length = Buffer.byteLength(path);
    if (length > PATH_MAX_bytes) {
      throw new Error(
        `expected a socket path of at most ${PATH_MAX_bytes} bytes, found ${length} in ${path}`,
      );
    }
    await clear(path);
    const server = new XenstoreServer(path, daemon, handled);
    server.#server.listen({ path, backlog: 511 });
    await once(server.#server, 'listening');
    chmodSync(path, 0o600);
    return server;
  }

  /** Whether this process was started by {@link replaceBy}. */
  static mustTakeOver(): boolean {
    return process.env[PATH_VARIABLE] !== undefined;
  }

  /**
   * In the process that {@link replaceBy} started: takes state, listening socket and clients over.
   * @param ring gives the page of a domain that was introduced with `port`
   */
  static async takeOver(
    options: XenstoredOptions,
    ring: Successor['ring'] = () => undefined,
  ): Promise<{ server: XenstoreServer; daemon: Xenstored }> {
    const path = process.env[PATH_VARIABLE];
    if (path === undefined) {
      throw new Error(`expected to be started by a xenstore server, found no ${PATH_VARIABLE}`);
    }
    // What this process starts is not started to take over.
    delete process.env[PATH_VARIABLE];
    let server: XenstoreServer | undefined;
    const attach = (serve: (outlet: Outlet) => ServedConnection, socket: Socket) =>
      (server as XenstoreServer).#attach(serve, socket);
    const open: (() => void)[] = [];
    const resume: (() => void)[] = [];
    const daemon = Xenstored.restore(options, readFileSync(STATE_FD), {
      ring,
      socket: (fd, input, output, served) => {
        let outlet: Outlet | undefined;
        open.push(() => {
          const socket = new Socket({ fd });
          const connection = attach((own) => {
            outlet = own;
            return served;
          }, socket);
          resume.push(() => connection.resume(input, output));
        });
        return {
          reply: (type, id, tx, payload) => outlet?.reply(type, id, tx, payload),
          event: (changed, token) => outlet?.event(changed, token) ?? false,
        };
      },
    });
    server = new XenstoreServer(path, daemon, () => undefined);
    // All are there before the first one's requests have events for others, and all go on before anything else comes.
    for (const step of open) step();
    for (const step of resume) step();
    server.#server.listen({ fd: LISTENER_FD });
    await once(server.#server, 'listening');
    return { server, daemon };
  }

  /**
   * Starts `program`, which calls {@link takeOver}, and hands it everything: no client notices, whatever it was in
   * the middle of. A client that does not take its answers for a second is disconnected. This server is done then.
   * @throws Error when the program cannot be started; this server goes on
   */
  async replaceBy(program: string, args: readonly string[]): Promise<ChildProcess> {
    const settled = new Set<SocketConnection>();
    for (;;) {
      const rest = [...this.#connections].filter((connection) => !settled.has(connection));
      if (rest.length === 0) break;
      await Promise.all(rest.map((connection) => connection.settle(PATIENCE_ms)));
      for (const connection of rest) settled.add(connection);
    }
    // From here to the end nothing else runs, so no byte comes in or goes out on this side.
    const sockets = new Map<number, SocketState>();
    const handles: Socket[] = [];
    for (const connection of this.#connections) connection.finish();
    for (const connection of this.#connections) {
      const left = connection.leave();
      if (left === undefined) continue;
      const fd = LISTENER_FD + 1 + handles.length;
      sockets.set(left.id, { fd, input: left.input, output: left.output, partial: left.partial });
      handles.push(left.socket);
    }
    const stateFile = `${this.path}.state`;
    writeFileSync(stateFile, this.#daemon.saveState(sockets, LISTENER_FD), { mode: 0o600 });
    const state = openSync(stateFile, 'r');
    unlinkSync(stateFile);
    const listener = (this.#server as unknown as { _handle: { fd: number } })._handle.fd;
    const child = spawn(program, args, {
      env: { ...process.env, [PATH_VARIABLE]: this.path },
      stdio: ['inherit', 'inherit', 'inherit', state, listener, ...handles],
    });
    closeSync(state);
    if (child.pid === undefined) {
      for (const connection of this.#connections) connection.stay();
      const [reason] = await once(child, 'error');
      throw reason;
    }
    for (const connection of this.#connections) connection.close();
    // Closing a listening socket removes its path, which is the successor's now.
    renameSync(this.path, stateFile);
    this.#server.close();
    renameSync(stateFile, this.path);
    await once(child, 'spawn');
    return child;
  }

  /** Clients that are connected. */
  get clients(): number {
    return this.#connections.size;
  }

  #attach(serve: (outlet: Outlet) => ServedConnection, socket: Socket): SocketConnection {
    const connection = new SocketConnection(serve, socket, this.#handled, (gone) =>
      this.#connections.delete(gone),
    );
    this.#connections.add(connection);
    return connection;
  }

  /** Disconnects everybody and removes the socket. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const connection of this.#connections) connection.close();
    await closed;
  }
}

const clear = async (path: string): Promise<void> => {
  if (!existsSync(path)) return;
  if (!lstatSync(path).isSocket()) {
    throw new Error(`expected a free path for the xenstore socket, found another file at ${path}`);
  }
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.on('connect', () => resolve(true));
    probe.on('error', () => resolve(false));
    probe.on('connect', () => probe.destroy());
  });
  if (alive) {
    throw new Error(`expected a free path for the xenstore socket, found a server at ${path}`);
  }
  unlinkSync(path);
};
