/*
 * A program in the daemon's own process: the toolstack, a back end. Each method puts a request together as the wire
 * would carry it and takes the reply apart; there is no other door into the store.
 */
import {
  XS_CONTROL,
  XS_DIRECTORY,
  XS_DIRECTORY_PART,
  XS_ERROR,
  XS_GET_DOMAIN_PATH,
  XS_GET_PERMS,
  XS_INTRODUCE,
  XS_IS_DOMAIN_INTRODUCED,
  XS_MKDIR,
  XS_READ,
  XS_RELEASE,
  XS_RESET_WATCHES,
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
import { bytesOf, latin1, payloadOf, stringsOf } from './latin1.ts';
import {
  type Permission,
  type Permissions,
  parsePermission,
  permissionText,
} from './permissions.ts';
import { XenstoreError } from './xenstore-error.ts';

/** How often a transaction is tried before its EAGAIN is passed on. */
const ATTEMPTS = 100;

/** What a client asks the daemon through. */
export interface ClientPort {
  /** Handles a request now. @returns the reply */
  request(
    type: number,
    transactionId: number,
    payload: Uint8Array,
  ): { readonly type: number; readonly payload: Uint8Array };
  close(): void;
}

/**
 * A synchronous connection. Every method throws {@link XenstoreError} when the daemon answers with an error; `tx`
 * is what {@link transactionStart} gave. Values are Latin-1 text, a character a byte.
 */
export class StoreClient {
  readonly #port: ClientPort;

  constructor(port: ClientPort) {
    this.#port = port;
  }

  /** The value of a node. */
  read(path: string, tx = 0): string {
    return latin1(this.#ask(XS_READ, tx, [path], 'read'));
  }

  /** The value of a node, as bytes of one's own. */
  readBytes(path: string, tx = 0): Uint8Array {
    return this.#ask(XS_READ, tx, [path], 'read').slice();
  }

  /** The value of a node; undefined when there is none. */
  tryRead(path: string, tx = 0): string | undefined {
    const { type, payload } = this.#port.request(XS_READ, tx, payloadOf([path]));
    if (type !== XS_ERROR) return latin1(payload);
    const code = stringsOf(payload)[0] as string;
    if (code === 'ENOENT') return undefined;
    throw new XenstoreError(code, `read of ${path}`);
  }

  /** Sets a node's value; makes the node, and its ancestors, if they are not there. */
  write(path: string, value: string | Uint8Array, tx = 0): void {
    const bytes = typeof value === 'string' ? bytesOf(value) : value;
    this.#ask(XS_WRITE, tx, [path], 'write', bytes);
  }

  /** Makes a node without a value, if it is not there. */
  mkdir(path: string, tx = 0): void {
    this.#ask(XS_MKDIR, tx, [path], 'mkdir');
  }

  /** Removes a node and all below it; fine when it is not there and its parent is. */
  rm(path: string, tx = 0): void {
    this.#ask(XS_RM, tx, [path], 'rm');
  }

  /** The names of a node's children, oldest first; long lists are fetched in parts, as of one moment. */
  directory(path: string, tx = 0): string[] {
    const { type, payload } = this.#port.request(XS_DIRECTORY, tx, payloadOf([path]));
    if (type !== XS_ERROR) return stringsOf(payload);
    const code = stringsOf(payload)[0] as string;
    if (code !== 'E2BIG') throw new XenstoreError(code, `directory of ${path}`);
    const names: string[] = [];
    for (let offset = 0; ; ) {
      const part = this.#ask(XS_DIRECTORY_PART, tx, [path, `${offset}`], 'directory');
      const [, ...some] = stringsOf(part);
      const last = some.at(-1) === '';
      if (last) some.pop();
      names.push(...some);
      if (last) return names;
      for (const name of some) offset += name.length + 1;
    }
  }

  /** A node's permissions; the first entry is the owner's. */
  getPermissions(path: string, tx = 0): Permission[] {
    const texts = stringsOf(this.#ask(XS_GET_PERMS, tx, [path], 'permissions'));
    return texts.map((text) => parsePermission(text) as Permission);
  }

  /** Sets a node's permissions; the first entry is the owner's. */
  setPermissions(path: string, permissions: Permissions, tx = 0): void {
    const words = [path, ...permissions.map(permissionText)];
    this.#ask(XS_SET_PERMS, tx, words, 'change of permissions');
  }

  /** @returns the transaction's number */
  transactionStart(): number {
    return Number(
      latin1(this.#ask(XS_TRANSACTION_START, 0, [''], 'start of a transaction'), 0).slice(0, -1),
    );
  }

  /** Ends a transaction. @throws XenstoreError EAGAIN when it conflicts with a change made meanwhile */
  transactionEnd(tx: number, commit: boolean): void {
    this.#ask(XS_TRANSACTION_END, tx, [commit ? 'T' : 'F'], 'end of a transaction');
  }

  /**
   * Runs `work` in a transaction and commits it, again and again while it conflicts, up to 100 times.
   * When `work` throws, the transaction is discarded.
   */
  transaction<T>(work: (tx: number) => T): T {
    for (let attempt = 1; ; attempt++) {
      const tx = this.transactionStart();
      let result: T;
      try {
        result = work(tx);
      } catch (error) {
        this.transactionEnd(tx, false);
        throw error;
      }
      try {
        this.transactionEnd(tx, true);
        return result;
      } catch (error) {
        const again = error instanceof XenstoreError && error.code === 'EAGAIN';
        if (!again || attempt === ATTEMPTS) throw error;
      }
    }
  }

  /**
   * Asks to be told of changes at `path` and below. One event comes at once.
   * @param depth how many levels below; without it all. Not every daemon knows it
   */
  watch(path: string, token: string, depth?: number): void {
    const levels = depth === undefined ? [] : [`${depth}`];
    this.#ask(XS_WATCH, 0, [path, token, ...levels], 'watch');
  }

  /** Events that are on their way already still come. */
  unwatch(path: string, token: string): void {
    this.#ask(XS_UNWATCH, 0, [path, token], 'unwatch');
  }

  /** Drops all watches and transactions of this connection. */
  resetWatches(): void {
    this.#ask(XS_RESET_WATCHES, 0, [''], 'reset of watches');
  }

  /** Tells the daemon of a domain, its store page (as the toolstack knows it) and its unbound port. */
  introduce(domid: number, mfn: number, port: number): void {
    this.#ask(XS_INTRODUCE, 0, [`${domid}`, `${mfn}`, `${port}`], 'introduce');
  }

  /** Disconnects a domain. */
  release(domid: number): void {
    this.#ask(XS_RELEASE, 0, [`${domid}`], 'release');
  }

  /** A domain that had shut down runs again. */
  resume(domid: number): void {
    this.#ask(XS_RESUME, 0, [`${domid}`], 'resume');
  }

  /** `domid` may do what `target` may. */
  setTarget(domid: number, target: number): void {
    this.#ask(XS_SET_TARGET, 0, [`${domid}`, `${target}`], 'set-target');
  }

  isDomainIntroduced(domid: number): boolean {
    return stringsOf(this.#ask(XS_IS_DOMAIN_INTRODUCED, 0, [`${domid}`], 'query'))[0] === 'T';
  }

  /** `/local/domain/<domid>`. */
  getDomainPath(domid: number): string {
    return stringsOf(this.#ask(XS_GET_DOMAIN_PATH, 0, [`${domid}`], 'query'))[0] as string;
  }

  /** Sends a control command. @returns the daemon's answer */
  control(...words: string[]): string {
    return stringsOf(this.#ask(XS_CONTROL, 0, words, 'control'))[0] as string;
  }

  /** Ends the connection: no event is delivered any more. */
  close(): void {
    this.#port.close();
  }

  #ask(
    type: number,
    tx: number,
    words: readonly string[],
    what: string,
    tail?: Uint8Array,
  ): Uint8Array {
    const reply = this.#port.request(type, tx, payloadOf(words, tail));
    if (reply.type !== XS_ERROR) return reply.payload;
    throw new XenstoreError(stringsOf(reply.payload)[0] as string, `${what} of ${words.join(' ')}`);
  }
}
