/*
 * Linux's own TCP as a guest's peer: a passt of the test's own, and processes in which guests live.
 *
 *     guest 10.9.0.2 ── domu --net ── socket ── passt ── Linux's TCP ── 127.0.0.1 (10.9.0.1 to the guest)
 *                                                                  └── port of 127.0.0.1, forwarded to the guest's port 80
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { debianPackage } from '@tooling/peers';

const DOMU = fileURLToPath(new URL('../../bin/domu', import.meta.url));
const NOBODY = 65534;

export const GUEST = '10.9.0.2/24,10.9.0.1';

export const sleep = (ms: number): Promise<void> => new Promise((settle) => setTimeout(settle, ms));

/** Waits until something holds. @throws Error that says what did not */
export const until = async (what: string, holds: () => boolean, limit_s = 60): Promise<void> => {
  const end = performance.now() + limit_s * 1000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`waited ${limit_s} s for ${what} in vain`);
    await sleep(20);
  }
};

/** A port of 127.0.0.1 that nobody has. */
export const freePort = (): Promise<number> =>
  new Promise((settle) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => settle(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });

/** A running program, and what it has printed. */
export class Running {
  readonly child: ChildProcess;
  printed = '';
  errors = '';
  status: number | null | undefined;

  constructor(command: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
    this.child = spawn(command, args, {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.on('data', (bytes: Buffer) => {
      this.printed += bytes.toString('latin1');
    });
    this.child.stderr?.on('data', (bytes: Buffer) => {
      this.errors += bytes.toString('latin1');
    });
    this.child.on('close', (status) => {
      this.status = status;
    });
  }

  untilPrinted(text: string, limit_s?: number): Promise<void> {
    const what = `${JSON.stringify(text)} to be printed`;
    return until(what, () => this.printed.includes(text) || this.status !== undefined, limit_s);
  }

  async untilEnded(limit_s?: number): Promise<string> {
    await until('the end of a process', () => this.status !== undefined, limit_s);
    return this.printed;
  }

  stop(): void {
    this.child.kill();
  }
}

/** A folder with a passt in it, and the guests that have used it. */
export class PasstPeer {
  readonly #folder: string;
  readonly #running: Running[] = [];

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** @param port of 127.0.0.1 that is forwarded to the guest's port 80, if one is */
  static async start(folder: string, port?: number): Promise<PasstPeer> {
    const passt = debianPackage('passt', '/usr/bin/passt');
    mkdirSync(`${folder}/sk`, { recursive: true });
    mkdirSync(`${folder}/run`);
    // It becomes nobody before it makes the socket.
    chmodSync(folder, 0o711);
    if (process.getuid?.() === 0) chownSync(`${folder}/sk`, NOBODY, NOBODY);
    const peer = new PasstPeer(folder);
    const addresses = ['-a', '10.9.0.2', '-n', '24', '-g', '10.9.0.1', '-m', '65520'];
    const forward = port === undefined ? 'none' : `127.0.0.1/${port}:80`;
    const options = ['-f', '-e', '-4', ...addresses, '-t', forward];
    peer.#running.push(new Running(passt, [...options, '-s', peer.#socket]));
    await until('passt to listen', () => existsSync(peer.#socket), 20);
    return peer;
  }

  get #socket(): string {
    return `${this.#folder}/sk/b.sock`;
  }

  /** Runs `domu` in a process of its own. Commands that make a domain are joined to passt. */
  domu(...args: readonly string[]): Running {
    const net = args[0] === 'save' ? [] : ['--net', `passt:${this.#socket}`];
    const running = new Running(DOMU, [...args, ...net], {
      XDG_RUNTIME_DIR: `${this.#folder}/run`,
      NO_COLOR: '1',
    });
    this.#running.push(running);
    return running;
  }

  stop(): void {
    for (const running of this.#running) running.stop();
  }
}
