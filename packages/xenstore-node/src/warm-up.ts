/*
 * The engine compiles a function well only when it has run for a while, so the first requests of a
 * kind to a daemon that has just started would take ten times as long as later ones. A daemon that
 * serves by itself has all kinds run first, on a store that is thrown away: 800 nodes in a
 * directory made, read, listed, changed in transactions, watched, removed.
 */
import {
  XS_DIRECTORY,
  XS_DIRECTORY_PART,
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
import { Sim } from '@port-xen/sim';
import { OutgoingQueue, payloadOf, stringsOf, Xenstored } from '@port-xen/xenstore';

const NODES = 800;

/** Several stores, so that nothing is compiled for the objects of one. */
const ROUNDS = 4;

/** Runs every kind of request on stores of its own; takes about 0.2 s. */
export const warmUp = (): void => {
  for (let round = 0; round < ROUNDS; round++) exercise();
};

const exercise = (): void => {
  const daemon = new Xenstored({ sim: new Sim(0) });
  const queue = new OutgoingQueue(Number.POSITIVE_INFINITY);
  let reply: Uint8Array = new Uint8Array(0);
  const served = daemon.serve(0, {
    reply: (type, requestId, transactionId, payload) => {
      reply = payload;
      queue.reply(type, requestId, transactionId, payload);
    },
    event: (path, token) => queue.event(path, token),
  });
  const ask = (type: number, transactionId: number, ...words: string[]): void => {
    served.request({ type, requestId: 1, transactionId, payload: payloadOf(words) });
    queue.pending();
    queue.clear();
  };
  ask(XS_WATCH, 0, '/warm', 'token');
  for (let i = 0; i < NODES; i++) {
    const path = `/warm/directory/n${i}`;
    ask(XS_WRITE, 0, path, 'value');
    ask(XS_READ, 0, path);
    if (i % 8 > 0) continue;
    ask(XS_TRANSACTION_START, 0, '');
    const tx = Number(stringsOf(reply)[0]);
    ask(XS_READ, tx, path);
    ask(XS_WRITE, tx, path, 'other');
    ask(XS_TRANSACTION_END, tx, 'T');
    ask(XS_MKDIR, 0, `${path}/below`);
    ask(XS_SET_PERMS, 0, path, 'n0', 'r1');
    ask(XS_GET_PERMS, 0, path);
    ask(XS_DIRECTORY, 0, '/warm/directory');
    ask(XS_RM, 0, `${path}/below`);
  }
  ask(XS_DIRECTORY_PART, 0, '/warm/directory', '0');
  ask(XS_UNWATCH, 0, '/warm', 'token');
  ask(XS_RM, 0, '/warm/directory');
  ask(XS_RM, 0, '/warm');
  served.close();
};
