/*
 * The same requests as StoreClient's, as promises over a socket. Requests go out at once and may overlap; they are
 * handled in the order of their calls.
 */
import {
  XS_CONTROL,
  XS_DIRECTORY,
  XS_DIRECTORY_PART,
  XS_GET_DOMAIN_PATH,
  XS_GET_PERMS,
  XS_INTRODUCE,
  XS_IS_DOMAIN_INTRODUCED,
  XS_MKDIR,
  XS_READ,
  XS_RELEASE,
  XS_RESUME,
  XS_RM,
  XS_SET_PERMS,
  XS_SET_TARGET,
  XS_TRANSACTION_END,
  XS_TRANSACTION_START,
  XS_UNWATCH,
  XS_WATCH,
  XS_WRITE,
} from '@port-xen/abi';
import {
  bytesOf,
  latin1,
  type Permission,
  type Permissions,
  parsePermission,
  payloadOf,
  permissionText,
  stringsOf,
  XenstoreError,
} from '@port-xen/xenstore';
import { Channel } from './channel.ts';
import { WatchStream } from './watch-stream.ts';

/** Of those who meet, one always wins: this is enough for as many clients at once. */
const ATTEMPTS = 1000;

/**
 * A client of a xenstore socket. Every promise is rejected with a {@link XenstoreError} when the daemon answers with
 * an error, and with another Error when the connection ends.
 */
export class XenstoreClient {
  #channel: Channel | undefined;
  readonly #watches = new Map<string, WatchStream>();
  #nextToken = 1;

  private constructor() {}

  /** @param path the socket; without it, as Xen's clients find it: XENSTORED_PATH, XENSTORED_RUNDIR, /run/xenstored */
  static async connect(path: string = defaultPath()): Promise<XenstoreClient> {
    const client = new XenstoreClient();
    client.#channel = await Channel.open(
      path,
      (changed, token) => client.#watches.get(token)?.push(changed),
      (reason) => {
        for (const stream of client.#watches.values()) stream.fail(reason);
      },
    );
    return client;
  }

  /** The value of a node, a character a byte. */
  async read(path: string, tx = 0): Promise<string> {
    return latin1(await this.readBytes(path, tx));
  }

  /** The value of a node. */
  readBytes(path: string, tx = 0): Promise<Uint8Array> {
    return this.#ask(XS_READ, tx, [path], 'read');
  }

  /** The value of a node; undefined when there is none. */
  async tryRead(path: string, tx = 0): Promise<string | undefined> {
    try {
      return await this.read(path, tx);
    } catch (error) {
      if (error instanceof XenstoreError && error.code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Sets a node's value; makes the node, and its ancestors, if they are not there. */
  async write(path: string, value: string | Uint8Array, tx = 0): Promise<void> {
    const bytes = typeof value === 'string' ? bytesOf(value) : value;
    await this.#ask(XS_WRITE, tx, [path], 'write', bytes);
  }

  /** Makes a node without a value, if it is not there. */
  async mkdir(path: string, tx = 0): Promise<void> {
    await this.#ask(XS_MKDIR, tx, [path], 'mkdir');
  }

  /** Removes a node and all below it. */
  async rm(path: string, tx = 0): Promise<void> {
    await this.#ask(XS_RM, tx, [path], 'rm');
  }

  /** The names of a node's children. A list that changes while it comes in parts is fetched anew. */
  async directory(path: string, tx = 0): Promise<string[]> {
    try {
      return stringsOf(await this.#ask(XS_DIRECTORY, tx, [path], 'directory'));
    } catch (error) {
      if (!(error instanceof XenstoreError) || error.code !== 'E2BIG') throw error;
    }
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const names = await this.#directoryInParts(path, tx);
      if (names !== undefined) return names;
    }
    throw new XenstoreError('EAGAIN', `directory of ${path}, which changes all the time`);
  }

  /** A node's permissions; the first entry is the owner's. */
  async getPermissions(path: string, tx = 0): Promise<Permission[]> {
    const texts = stringsOf(await this.#ask(XS_GET_PERMS, tx, [path], 'permissions'));
    return texts.map((text) => parsePermission(text) as Permission);
  }

  /** Sets a node's permissions; the first entry is the owner's. */
  async setPermissions(path: string, permissions: Permissions, tx = 0): Promise<void> {
    const words = [path, ...permissions.map(permissionText)];
    await this.#ask(XS_SET_PERMS, tx, words, 'change of permissions');
  }

  /** @returns the transaction's number */
  async transactionStart(): Promise<number> {
    return Number(stringsOf(await this.#ask(XS_TRANSACTION_START, 0, [''], 'start'))[0]);
  }

  /** Ends a transaction; rejected with EAGAIN when it conflicts with a change made meanwhile. */
  async transactionEnd(tx: number, commit: boolean): Promise<void> {
    await this.#ask(XS_TRANSACTION_END, tx, [commit ? 'T' : 'F'], 'end of a transaction');
  }

  /** Runs `work` in a transaction and commits it, again while it conflicts, up to 1000 times. */
  async transaction<T>(work: (tx: number) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const tx = await this.transactionStart();
      let result: T;
      try {
        result = await work(tx);
      } catch (error) {
        await this.transactionEnd(tx, false);
        throw error;
      }
      try {
        await this.transactionEnd(tx, true);
        return result;
      } catch (error) {
        const again = error instanceof XenstoreError && error.code === 'EAGAIN';
        if (!again || attempt === ATTEMPTS) throw error;
      }
    }
  }

  /**
   * The paths that change at `path` or below: first `path` itself, at once. The watch is set when the promise is
   * fulfilled, and ends when the loop over it does.
   * @param depth how many levels below; without it all. Not every daemon knows it
   */
  async watch(path: string, depth?: number): Promise<WatchStream> {
    const token = `watch-${this.#nextToken++}`;
    const stream = new WatchStream(async () => {
      this.#watches.delete(token);
      await this.#ask(XS_UNWATCH, 0, [path, token], 'unwatch');
    });
    this.#watches.set(token, stream);
    try {
      const levels = depth === undefined ? [] : [`${depth}`];
      await this.#ask(XS_WATCH, 0, [path, token, ...levels], 'watch');
    } catch (error) {
      this.#watches.delete(token);
      throw error;
    }
    return stream;
  }

  async introduce(domid: number, mfn: number, port: number): Promise<void> {
    await this.#ask(XS_INTRODUCE, 0, [`${domid}`, `${mfn}`, `${port}`], 'introduce');
  }

  async release(domid: number): Promise<void> {
    await this.#ask(XS_RELEASE, 0, [`${domid}`], 'release');
  }

  async resume(domid: number): Promise<void> {
    await this.#ask(XS_RESUME, 0, [`${domid}`], 'resume');
  }

  async setTarget(domid: number, target: number): Promise<void> {
    await this.#ask(XS_SET_TARGET, 0, [`${domid}`, `${target}`], 'set-target');
  }

  async isDomainIntroduced(domid: number): Promise<boolean> {
    const reply = await this.#ask(XS_IS_DOMAIN_INTRODUCED, 0, [`${domid}`], 'query');
    return stringsOf(reply)[0] === 'T';
  }

  async getDomainPath(domid: number): Promise<string> {
    return stringsOf(await this.#ask(XS_GET_DOMAIN_PATH, 0, [`${domid}`], 'query'))[0] as string;
  }

  /** Sends a control command. */
  async control(...words: string[]): Promise<string> {
    return stringsOf(await this.#ask(XS_CONTROL, 0, words, 'control'))[0] as string;
  }

  /** Ends the connection; watches of it fail. */
  async close(): Promise<void> {
    await this.#channel?.close();
  }

  async #directoryInParts(path: string, tx: number): Promise<string[] | undefined> {
    const names: string[] = [];
    let first: string | undefined;
    for (let offset = 0; ; ) {
      const part = await this.#ask(XS_DIRECTORY_PART, tx, [path, `${offset}`], 'directory');
      const [version, ...some] = stringsOf(part);
      first ??= version;
      if (version !== first) return undefined;
      const last = some.at(-1) === '';
      if (last) some.pop();
      names.push(...some);
      if (last) return names;
      for (const name of some) offset += name.length + 1;
    }
  }

  #ask(
    type: number,
    tx: number,
    words: readonly string[],
    what: string,
    tail?: Uint8Array,
  ): Promise<Uint8Array> {
    const channel = this.#channel as Channel;
    return channel.ask(type, tx, payloadOf(words, tail), `${what} of ${words.join(' ')}`);
  }
}

const defaultPath = (): string => {
  const { XENSTORED_PATH, XENSTORED_RUNDIR } = process.env;
  return XENSTORED_PATH ?? `${XENSTORED_RUNDIR ?? '/run/xenstored'}/socket`;
};
