/*
 * echod [PORT]: sends back whatever comes, over TCP (RFC 862), to any number of clients at once. Port 7.
 */
import {
  done,
  goto,
  type Program,
  routine,
  SYS_read,
  syscall,
  type UserContext,
} from '@port-xen/kern';
import { bytes, nest, struct, u32, u64, type View } from '@port-xen/layout';
import { lost, serverSteps, tcp_server, tell } from './tcp-server.ts';
import { portOf, writeRest } from './tcp-user.ts';
import { argument, exit } from './user.ts';

const BUFFER_SIZE = 8192;
const ECHO_PORT = '7';

const echod_data = struct('echod_data', {
  buffer: bytes(BUFFER_SIZE),
  server: nest(tcp_server),
  filled: u32,
  sent: u32,
});

const running = struct('echod_locals', { pad: u64 });

const dataOf = (u: UserContext): View<typeof echod_data> => echod_data.at(u.memory, u.data);

export const echod: Program = {
  name: 'echod',
  data: echod_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, _, argc, argv) => {
        const port = portOf(argc > 1 ? argument(u, argv, 1) : ECHO_PORT);
        const { server } = dataOf(u);
        if (port === undefined) return tell(u, server, 'failed', 'usage: echod [PORT]\n');
        server.ts_port = port;
        return goto('listen');
      },
      ...serverSteps('echod', (u) => dataOf(u).server),
      ready: (u: UserContext) => {
        const { server } = dataOf(u);
        return tell(u, server, 'accept', `echod: port ${server.ts_port}\n`);
      },
      serve: (u: UserContext) =>
        syscall('came', SYS_read, dataOf(u).server.ts_conn, u.data, BUFFER_SIZE),
      came: (u: UserContext, _, count) => {
        if (count === 0) return exit(0);
        if (count < 0) return lost(u, dataOf(u).server, 'echod', count);
        const d = dataOf(u);
        d.filled = count;
        d.sent = 0;
        return goto('send');
      },
      send: (u: UserContext) => {
        const d = dataOf(u);
        return writeRest('sent', d.server.ts_conn, u.data, d.sent, d.filled);
      },
      sent: (u: UserContext, _, count) => {
        if (count < 0) return lost(u, dataOf(u).server, 'echod', count);
        const d = dataOf(u);
        d.sent += count;
        return goto(d.sent < d.filled ? 'send' : 'serve');
      },
      never: () => done(),
    }),
  },
};
