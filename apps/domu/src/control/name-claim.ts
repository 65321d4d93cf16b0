/*
 * A name is one running domain's in a runtime folder, as it is on a host of xl's.
 *
 *     1234.sock   process 1234 listens there; as long as it does, its claim counts
 *     1234.name   its claim: a symbolic link to +guest, or to -guest as long as it is but a wish; so there is room for it on a full disk
 *
 * Who wants a name claims it first and looks for others' claims afterwards: of two at once, one at least sees the other. Of two that
 * want it the one with the smaller process number waits until the other has taken its claim back, or holds the name: it looked first.
 */
import { readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { claimFile, isDead, pidOf, worldSocket, worldSockets } from './runtime-folder.ts';

interface Claim {
  readonly name: string;
  /** Whether it is more than a wish. */
  readonly held: boolean;
}

/** From one look at another's claim to the next. */
const LOOK_MS = 5;

const claimAt = (path: string): Claim | undefined => {
  try {
    const text = readlinkSync(claimFile(path));
    return { name: text.slice(1), held: text.startsWith('+') };
  } catch {
    // Its world claims nothing, or is gone.
    return undefined;
  }
};

/** Whole or not at all, for whoever looks. */
const write = ({ name, held }: Claim): void => {
  const file = claimFile(worldSocket());
  rmSync(`${file}.new`, { force: true });
  symlinkSync(`${held ? '+' : '-'}${name}`, `${file}.new`);
  renameSync(`${file}.new`, file);
};

/** Whether anybody listens at a socket. */
const isLive = (path: string): Promise<boolean> =>
  new Promise((settle) => {
    const socket = connect(path, () => {
      socket.destroy();
      settle(true);
    });
    socket.on('error', (error) => settle(!isDead(path, error)));
  });

/** The other worlds that want or hold a name. */
const rivals = async (name: string): Promise<{ pid: number; held: boolean }[]> => {
  const own = worldSocket();
  const found: { pid: number; held: boolean }[] = [];
  for (const path of worldSockets()) {
    const claim = path === own ? undefined : claimAt(path);
    if (claim?.name === name && (await isLive(path))) {
      found.push({ pid: pidOf(path), held: claim.held });
    }
  }
  return found;
};

/** Takes this process's claim back. */
export const releaseName = (): void => rmSync(claimFile(worldSocket()), { force: true });

/**
 * Claims a name for this process's world, which listens already.
 * @returns the process that runs a domain of that name; undefined when there was none, and the name is this world's
 */
export const claimName = async (name: string): Promise<number | undefined> => {
  write({ name, held: false });
  for (;;) {
    const others = await rivals(name);
    const first = others.find(({ pid, held }) => held || pid < process.pid);
    if (first !== undefined) {
      releaseName();
      return first.pid;
    }
    if (others.length === 0) {
      write({ name, held: true });
      return undefined;
    }
    await setTimeout(LOOK_MS);
  }
};
