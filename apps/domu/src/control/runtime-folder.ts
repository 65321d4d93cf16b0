import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const SOCKET = '.sock';

/** Where running worlds listen: the user's runtime directory, or one of the user's own among the temporary files. */
export const runtimeFolder = (): string => {
  const { XDG_RUNTIME_DIR } = process.env;
  const folder = XDG_RUNTIME_DIR
    ? join(XDG_RUNTIME_DIR, 'port-xen')
    : join(tmpdir(), `port-xen-${process.getuid?.() ?? 0}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
};

/** The socket of this process's world. */
export const worldSocket = (): string => join(runtimeFolder(), `${process.pid}${SOCKET}`);

/** The sockets of all worlds, the dead ones' too. */
export const worldSockets = (): string[] => {
  const folder = runtimeFolder();
  return readdirSync(folder)
    .filter((name) => name.endsWith(SOCKET))
    .sort()
    .map((name) => join(folder, name));
};

/** The process of a world. @param path of its socket */
export const pidOf = (path: string): number => Number(basename(path, SOCKET));

/** Where a world claims its domain's name. @param path of its socket */
export const claimFile = (path: string): string => `${path.slice(0, -SOCKET.length)}.name`;

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
};

/** Removes the socket and the claim of a world that was killed. A process that lives may be about to listen. */
export const removeDead = (path: string): void => {
  if (isAlive(pidOf(path))) return;
  rmSync(path, { force: true });
  rmSync(claimFile(path), { force: true });
};
