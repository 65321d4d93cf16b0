import { mkdirSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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
export const worldSocket = (): string => join(runtimeFolder(), `${process.pid}.sock`);

/** The sockets of all worlds, the dead ones' too. */
export const worldSockets = (): string[] => {
  const folder = runtimeFolder();
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sock'))
    .sort()
    .map((name) => join(folder, name));
};
