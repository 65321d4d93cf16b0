import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
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

/** From making its socket to listening at it a world takes less, ms. */
const LISTENS_MS = 1000;

/**
 * Whether nobody listens at a socket any more, as an attempt to connect shows. Its world was killed then: the socket is removed,
 * unless it was made just now and its world is about to listen.
 */
export const isDead = (path: string, error: Error): boolean => {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ECONNREFUSED') removeDead(path);
  return code === 'ECONNREFUSED' || code === 'ENOENT';
};

const removeDead = (path: string): void => {
  const made_ms = lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (Date.now() - made_ms < LISTENS_MS) return;
  rmSync(path, { force: true });
};
