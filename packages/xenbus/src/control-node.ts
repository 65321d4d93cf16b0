/*
 * What the toolstack asks for by writing a node of control/: it is read and answered in one transaction, so that a request that is
 * withdrawn meanwhile is not answered; the answer is the empty string.
 */
import { call, done, goto, type Routine, routine } from '@port-xen/kern';
import { bytes, i64, struct } from '@port-xen/layout';
import { putString, XS_STRING_MAX } from './guest-string.ts';
import type { Xenbus } from './xenbus.ts';
import { XS_EAGAIN } from './xs-errno.ts';

const taking = struct('control_node_locals', {
  tx: i64,
  path: bytes(XS_STRING_MAX),
  value: bytes(XS_STRING_MAX),
  request: bytes(XS_STRING_MAX),
});

const PATH = taking.offset.path;
const VALUE = taking.offset.value;
const REQUEST = taking.offset.request;

/**
 * The text of a watch on `node`.
 * @param then told what was asked for, and whether xenstored took the answer
 */
export const takesRequests = (
  node: string,
  then: (m: Xenbus, request: string, answered: boolean) => void,
): Routine<Xenbus> =>
  routine(taking, {
    begin: (m) => call('begun', m.cpu.sym('xs_transaction_start')),
    begun: (m, l, tx) => {
      if (tx < 0) return done();
      l.tx = tx;
      putString(m.cpu.memory, l.address + PATH, node);
      const into = l.address + REQUEST;
      return call('read', m.cpu.sym('xs_read'), tx, l.address + PATH, into, XS_STRING_MAX);
    },
    read: (m, l, result) => {
      if (result <= 0) return call('nothing', m.cpu.sym('xs_transaction_end'), l.tx, 1);
      putString(m.cpu.memory, l.address + VALUE, '');
      return call('answered', m.cpu.sym('xs_write'), l.tx, l.address + PATH, l.address + VALUE);
    },
    nothing: () => done(),
    answered: (m, l) => call('ended', m.cpu.sym('xs_transaction_end'), l.tx, 0),
    ended: (m, l, result) => {
      if (result === -XS_EAGAIN) return goto('begin');
      then(m, m.text(l.address + REQUEST), result >= 0);
      return done();
    },
  });
