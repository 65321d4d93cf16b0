import type { Typists } from './control/typists.ts';
import { Untaken } from './control/untaken.ts';
import type { Pace } from './pace.ts';
import type { Session } from './session.ts';
import type { World } from './world.ts';

/** What detaches a terminal: control-], as xl's console does. */
const ESCAPE = 0x1d;

/**
 * Types what comes on stdin at the domain's console. Control-] asks the domain to power off.
 * @returns what was typed and has not been taken by the guest
 */
export const attachTerminal = (
  world: World,
  session: Session,
  typists: Typists,
  pace: Pace,
): Untaken => {
  const { stdin } = process;
  const untaken = new Untaken();
  if (stdin.isTTY) {
    stdin.setRawMode(true);
    process.on('exit', () => stdin.setRawMode(false));
  }
  stdin.on('data', (bytes: Buffer) => {
    // Now, and not at the time of the world's last event: an idle world has no events.
    world.sim.at(pace.now_ns, () => {
      if (stdin.isTTY && bytes.includes(ESCAPE)) {
        world.xl.requestShutdown(session.domid, 'poweroff');
      } else {
        untaken.typed(bytes);
        typists.typed(session.domid, (count) => untaken.taken(count), bytes.length);
        world.type(session.domid, bytes);
      }
    });
    pace.wake();
  });
  return untaken;
};
