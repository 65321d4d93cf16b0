/*
 * control/shutdown (shutdown_xenbus.c): what the toolstack asks for is taken, and noted for whoever does it.
 */
import { call, done, routine, type Text } from '@port-xen/kern';
import { bytes, struct, u32 } from '@port-xen/layout';
import { takesRequests } from './control-node.ts';
import { putString, XS_STRING_MAX } from './guest-string.ts';
import type { Xenbus } from './xenbus.ts';

const NODE = 'control/shutdown';
const FEATURES = ['feature-suspend', 'feature-poweroff', 'feature-reboot'];

const telling = struct('shutdown_locals', {
  feature: u32,
  path: bytes(XS_STRING_MAX),
  value: bytes(XS_STRING_MAX),
});

const PATH = telling.offset.path;
const VALUE = telling.offset.value;

export const shutdownText: Text<Xenbus> = {
  /** Says what this kernel can be asked for, and listens. */
  shutdown_xenbus_setup: routine(telling, {
    start: (m) => call('watch', m.cpu.sym('shutdown_xenbus_features')),
    watch: (m) =>
      call('done', m.cpu.sym('xs_watch'), m.watches.create(NODE, 'shutdown_xenbus_handler', 0)),
    done: () => done(),
  }),

  /** The features are nodes of the domain, so a restored one has to say them again. */
  shutdown_xenbus_features: routine(telling, {
    next: (m, l) => {
      const feature = FEATURES[l.feature++];
      if (feature === undefined) return done();
      putString(m.cpu.memory, l.address + PATH, `control/${feature}`);
      putString(m.cpu.memory, l.address + VALUE, '1');
      return call('next', m.cpu.sym('xs_write'), 0, l.address + PATH, l.address + VALUE);
    },
  }),

  /** The watch on control/shutdown. */
  shutdown_xenbus_handler: takesRequests(NODE, (m, request, answered) => {
    m.kern.msgbuf.printf(`xenbus0: asked to ${request}\n`);
    if (!answered || !m.request(request)) {
      m.kern.msgbuf.printf(`xenbus0: ignoring shutdown request ${JSON.stringify(request)}\n`);
    }
  }),
};
