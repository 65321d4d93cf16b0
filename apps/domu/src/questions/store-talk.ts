/*
 * What a domain and its xenstore said to each other, taken from the trace.
 */
import {
  XS_DIRECTORY,
  XS_ERROR,
  XS_READ,
  XS_RM,
  XS_WATCH,
  XS_WATCH_EVENT,
  XS_WRITE,
} from '@port-xen/abi';

/** Requests that say something of the domain; transactions are left out. */
const REQUESTS: Readonly<Record<number, string>> = {
  [XS_DIRECTORY]: 'list',
  [XS_READ]: 'read',
  [XS_WRITE]: 'write',
  [XS_RM]: 'remove',
  [XS_WATCH]: 'watch',
};

/** A request and what came of it. */
export interface Said {
  readonly request: string;
  readonly path: string;
  /** What was written, or what was answered. */
  value: string;
}

/** Takes a world's trace. */
export class StoreTalk {
  readonly said: Said[] = [];
  readonly #waiting = new Map<string, Said>();

  /** @param particulars of an event of kind `xenstore`: direction, type, request, transaction, payload */
  hear(domid: number, particulars: readonly (number | string)[]): void {
    const [direction, type, request, , payload] = particulars;
    const key = `${domid} ${request}`;
    const [first = '', second = ''] = String(payload).split('\0');
    if (direction === 'in') {
      const name = REQUESTS[type as number];
      if (name === undefined) return;
      const said: Said = { request: name, path: first, value: '' };
      if (type === XS_WRITE) said.value = second;
      else this.#waiting.set(key, said);
      this.said.push(said);
      return;
    }
    const said = type === XS_WATCH_EVENT ? undefined : this.#waiting.get(key);
    if (said === undefined) return;
    this.#waiting.delete(key);
    if (type === XS_ERROR) said.value = first;
    else if (type === XS_READ) said.value = first;
    else if (type === XS_DIRECTORY) said.value = String(payload).split('\0').join(' ').trim();
  }
}
