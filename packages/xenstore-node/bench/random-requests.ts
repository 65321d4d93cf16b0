/*
 * Random sequences of requests of two clients below one node, the same for the same seed.
 * Transactions come one at a time and only their own client changes anything then: how daemons
 * differ in what transactions see of each other is known.
 */
import {
  XS_DIRECTORY,
  XS_GET_PERMS,
  XS_MKDIR,
  XS_READ,
  XS_RM,
  XS_SET_PERMS,
  XS_TRANSACTION_END,
  XS_TRANSACTION_START,
  XS_UNWATCH,
  XS_WATCH,
  XS_WRITE,
} from '@port-xen/abi';
import { Random } from '@port-xen/sim';

/** One request of one of two clients. */
export interface Step {
  readonly client: 0 | 1;
  readonly type: number;
  /** Belongs to the transaction that is open. */
  readonly inside: boolean;
  /** NUL-terminated on the wire. */
  readonly words: readonly string[];
  /** Follows the words as it is. */
  readonly tail: string;
}

const KINDS = [XS_READ, XS_DIRECTORY, XS_GET_PERMS, XS_WRITE, XS_WRITE, XS_WRITE, XS_MKDIR, XS_RM];
const MORE = [XS_SET_PERMS, XS_WATCH, XS_UNWATCH, XS_TRANSACTION_START, XS_TRANSACTION_END];

/** `count` requests below `top`. */
export const randomRequests = (seed: number, count: number, top: string): Step[] => {
  const random = new Random(seed, 'requests');
  const pick = <T>(from: readonly T[]): T => from[random.below(from.length)] as T;
  const path = (): string =>
    [top, ...Array.from({ length: random.below(4) }, () => pick(['a', 'b', 'c']))].join('/');
  const steps: Step[] = [];
  let owner: 0 | 1 | undefined;
  while (steps.length < count) {
    const client = owner ?? pick([0, 1] as const);
    const type = pick([...KINDS, ...MORE]);
    const inside = owner !== undefined && type !== XS_WATCH && type !== XS_UNWATCH;
    const step = { client, type, inside, words: [path()], tail: '' };
    if (type === XS_WRITE) steps.push({ ...step, tail: pick(['', '1', 'two', '\0\xff']) });
    else if (type === XS_SET_PERMS)
      steps.push({ ...step, words: [path(), pick(['n0', 'r0', 'b0'])] });
    else if (type === XS_WATCH || type === XS_UNWATCH) {
      steps.push({ ...step, words: [path(), pick(['t', 'u'])] });
    } else if (type === XS_TRANSACTION_START) {
      if (owner !== undefined) continue;
      owner = client;
      steps.push({ ...step, inside: false, words: [''] });
    } else if (type === XS_TRANSACTION_END) {
      if (owner === undefined) continue;
      owner = undefined;
      steps.push({ ...step, words: [pick(['T', 'T', 'T', 'F'])] });
    } else steps.push(step);
  }
  return steps;
};
