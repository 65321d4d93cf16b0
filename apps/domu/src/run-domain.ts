/*
 * A domain in a world of its own, from its making to its end or its save: what `create` and `restore` do once they know what
 * to make.
 */

import { XenstoreServer } from '@port-xen/xenstore-node';
import { Commands } from './control/commands.ts';
import { ControlServer } from './control/control-server.ts';
import { worldSocket } from './control/runtime-folder.ts';
import { Typists } from './control/typists.ts';
import { FileDisk } from './file-disk.ts';
import type { Guest } from './guest.ts';
import { completeHost } from './host-options.ts';
import { Capture } from './net/capture.ts';
import { Passt } from './net/passt.ts';
import { Pace } from './pace.ts';
import { type RunFlags, savePlan } from './run-options.ts';
import { Session, shutdownName } from './session.ts';
import { StoryLog, storyLine } from './story.ts';
import { attachTerminal } from './terminal.ts';
import { TraceHash } from './trace-hash.ts';
import { UserError } from './user-error.ts';
import { World } from './world.ts';

const SHUTDOWN_poweroff = 0;

/** What is run. */
export interface Run {
  readonly flags: RunFlags;
  readonly guest: Guest;
  readonly memory_mib: number;
  /** The slot of machine frames, if the user named none. */
  readonly slot: number;
  /** Makes the domain. @returns its domid */
  make(world: World): number;
  /** For a domain that is restored: where from. */
  readonly arrival?: string;
  /** Takes what the guest prints, instead of stdout. */
  readonly console?: (bytes: Uint8Array) => void;
  /** Told of every line of the story. */
  readonly onStory?: (time_ns: number, subsystem: string, text: string) => void;
  /** Told when the domain is about to be saved. */
  readonly onSave?: (world: World, domid: number) => void;
  /** Told of every block request that was completed. */
  readonly onRequest?: (world: World, domid: number, completed: number) => void;
}

/**
 * @returns the exit status: 0, or 1 when the guest crashed
 * @throws UserError and the toolstack's errors
 */
export const runDomain = async (run: Run): Promise<number> => {
  const { flags, guest } = run;
  const plan = savePlan(flags);
  const slot = flags.host.slot ?? run.slot;
  const host = completeHost(flags.host, flags.seed, slot, guest.interface);
  let session: Session | undefined;
  let commands: Commands | undefined;
  const typists = new Typists();
  const world = new World({
    seed: flags.seed,
    host,
    guestMemory_mib: run.memory_mib,
    engine: guest.engine,
    kernel: guest.elf,
    openDisk: (path, mode) => new FileDisk(path, mode),
    console: (domid, bytes) => {
      commands?.printed(domid, bytes);
      if (run.console === undefined) process.stdout.write(bytes);
      else run.console(bytes);
      session?.printed(Buffer.from(bytes).toString('latin1'));
    },
    typed: (domid, count) => typists.taken(domid, count),
  });
  const log = new StoryLog(world.sim.trace);
  const trace = flags.traceHash ? new TraceHash(world.sim.trace) : undefined;
  if (flags.verbose) {
    world.sim.trace.listenToStory((time_ns, subsystem, text) => {
      process.stderr.write(`${storyLine(time_ns, subsystem, text)}\n`);
    });
  }
  if (run.onStory !== undefined) world.sim.trace.listenToStory(run.onStory);
  const edges: { close(): void }[] = [];
  try {
    const capture = flags.pcap === undefined ? undefined : new Capture(flags.pcap, world);
    if (capture !== undefined) edges.push(capture);
    const pace = flags.console || flags.net !== undefined ? new Pace() : undefined;
    if (flags.net !== undefined && pace !== undefined) {
      edges.push(await Passt.open(passtSocket(flags.net), world, pace));
    }
    if (flags.xenstore !== undefined) {
      edges.push(await serveXenstore(world, flags.xenstore, () => pace?.wake()));
    }
    const domid = run.make(world);
    if (run.arrival !== undefined) capture?.note(`domain ${domid} came back: ${run.arrival}`);
    if (run.onRequest !== undefined) {
      world.xbdback.onComplete((completed) => run.onRequest?.(world, domid, completed));
    }
    const onSave = (id: number, path: string): void => {
      capture?.note(`domain ${id} leaves: it is saved into ${path}`);
      run.onSave?.(world, id);
    };
    session = new Session(world, domid, plan, onSave);
    commands = new Commands(world, session, log, typists, pace);
    edges.push(new ControlServer(worldSocket(), commands));
    const typed =
      flags.console && pace !== undefined
        ? attachTerminal(world, session, typists, pace)
        : undefined;
    const outcome = await session.run(pace);
    if (outcome.kind === 'saved' && typed !== undefined && typed.sentence !== '') {
      process.stderr.write(`domu: ${typed.sentence}\n`);
    }
    if (outcome.kind !== 'ended' || outcome.reason === SHUTDOWN_poweroff) return 0;
    throw new UserError(`the guest ended: ${shutdownName(outcome.reason)}`);
  } finally {
    for (const edge of edges) edge.close();
    if (flags.console) process.stdin.pause();
    if (trace !== undefined) process.stderr.write(`trace: ${trace.digest()}\n`);
  }
};

/** The host's xenstore on a socket, for Xen's own clients. @throws UserError when it cannot be had */
const serveXenstore = async (
  world: World,
  path: string,
  onRequest: () => void,
): Promise<{ close(): void }> => {
  try {
    const server = await XenstoreServer.listen(world.xenstored, path, onRequest);
    return { close: () => void server.close() };
  } catch (error) {
    throw new UserError((error as Error).message);
  }
};

/** The socket of `passt:SOCKET`. @throws UserError */
const passtSocket = (text: string): string => {
  if (text.startsWith('passt:') && text !== 'passt:') return text.slice('passt:'.length);
  throw new UserError(`expected --net passt:SOCKET, found ${JSON.stringify(text)}`);
};
