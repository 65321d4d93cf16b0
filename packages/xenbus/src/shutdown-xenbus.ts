/*
 * control/shutdown (shutdown_xenbus.c): what the toolstack asks for is read and answered in one transaction, so that a request that is
 * withdrawn meanwhile is not answered; the answer is the empty string. Then it is noted for whoever does it.
 */
import { call, done, goto, routine, type Text } from '@port-xen/kern';
import { bytes, i64, struct, u32 } from '@port-xen/layout';
import { putString, XS_STRING_MAX } from './guest-string.ts';
import type { Xenbus } from './xenbus.ts';
import { XS_EAGAIN } from './xs-errno.ts';

const NODE = 'control/shutdown';
const FEATURES = ['feature-suspend', 'feature-poweroff', 'feature-reboot'];

const handling = struct('shutdown_locals', {
  tx: i64,
  feature: u32,
  path: bytes(XS_STRING_MAX),
  value: bytes(XS_STRING_MAX),
  request: bytes(XS_STRING_MAX),
});

const PATH = handling.offset.path;
const VALUE = handling.offset.value;
const REQUEST = handling.offset.request;

export const shutdownText: Text<Xenbus> = {
  /** Says what this kernel can be asked for, and listens. */
  shutdown_xenbus_setup: routine(handling, {
    start: (m) => call('watch', m.cpu.sym('shutdown_xenbus_features')),
    watch: (m) =>
      call('done', m.cpu.sym('xs_watch'), m.watches.create(NODE, 'shutdown_xenbus_handler', 0)),
    done: () => done(),
  }),

  /** The features are nodes of the domain, so a restored one has to say them again. */
  shutdown_xenbus_features: routine(handling, {
    next: (m, l) => {
      const feature = FEATURES[l.feature++];
      if (feature === undefined) return done();
      putString(m.cpu.memory, l.address + PATH, `control/${feature}`);
      putString(m.cpu.memory, l.address + VALUE, '1');
      return call('next', m.cpu.sym('xs_write'), 0, l.address + PATH, l.address + VALUE);
    },
  }),

  /** The watch on control/shutdown. */
  shutdown_xenbus_handler: routine(handling, {
    begin: (m) => call('begun', m.cpu.sym('xs_transaction_start')),
    begun: (m, l, tx) => {
      if (tx < 0) return done();
      l.tx = tx;
      putString(m.cpu.memory, l.address + PATH, NODE);
      return call(
        'read',
        m.cpu.sym('xs_read'),
        tx,
        l.address + PATH,
        l.address + REQUEST,
        XS_STRING_MAX,
      );
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
      const text = m.text(l.address + REQUEST);
      m.kern.msgbuf.printf(`xenbus0: asked to ${text}\n`);
      if (result < 0 || !m.request(text)) {
        m.kern.msgbuf.printf(`xenbus0: ignoring shutdown request ${JSON.stringify(text)}\n`);
      }
      return done();
    },
  }),
};
