import { once } from 'node:events';
import { chmodSync, existsSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import type { Xenstored } from '@port-xen/xenstore';
import { SocketConnection } from './socket-connection.ts';

/** sun_path has room for 107 bytes and a NUL. */
const PATH_MAX_bytes = 107;

/**
 * Serves a daemon on a Unix socket, to Xen's own clients and any other. Who can open the socket (mode 0600) speaks as
 * dom0.
 */
export class XenstoreServer {
  readonly path: string;
  readonly #server: Server;
  readonly #connections: Set<SocketConnection>;

  private constructor(path: string, server: Server, connections: Set<SocketConnection>) {
    this.path = path;
    this.#server = server;
    this.#connections = connections;
  }

  /**
   * Listens at `path`. A socket that a dead server left there is replaced.
   * @throws Error when somebody serves there, when something else is there, or the path is too long for a socket
   */
  static async listen(daemon: Xenstored, path: string): Promise<XenstoreServer> {
    const length = Buffer.byteLength(path);
    if (length > PATH_MAX_bytes) {
      throw new Error(
        `expected a socket path of at most ${PATH_MAX_bytes} bytes, found ${length} in ${path}`,
      );
    }
    await clear(path);
    const connections = new Set<SocketConnection>();
    const server = createServer((socket) => {
      connections.add(
        new SocketConnection(daemon, socket, (connection) => connections.delete(connection)),
      );
    });
    server.listen({ path, backlog: 511 });
    await once(server, 'listening');
    chmodSync(path, 0o600);
    return new XenstoreServer(path, server, connections);
  }

  /** Clients that are connected. */
  get clients(): number {
    return this.#connections.size;
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
