/*
 * echo [WORD…]: prints its arguments.
 */
import { done, type Program, routine, type UserContext } from '@port-xen/kern';
import { bytes, struct, u64 } from '@port-xen/layout';
import { argumentsOf, exit, print } from './user.ts';

/** As much as exec lets through. */
const LINE_MAX = 1100;
const running = struct('echo_locals', { pad: u64 });

export const echo: Program = {
  name: 'echo',
  data: struct('echo_data', { line: bytes(LINE_MAX) }),
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, _, argc, argv) =>
        print(u, 'ended', u.data, `${argumentsOf(u, argc, argv).slice(1).join(' ')}\n`),
      ended: () => exit(0),
      never: () => done(),
    }),
  },
};
