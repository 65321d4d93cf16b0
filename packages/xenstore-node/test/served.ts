import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Sim } from '@port-xen/sim';
import { Xenstored, type XenstoredOptions } from '@port-xen/xenstore';
import { onTestFinished } from 'vitest';
import { XenstoreServer } from '../src/index.ts';

/** A daemon on a socket in a folder of its own; gone when the test is. */
export const serve = async (
  options: Partial<XenstoredOptions> = {},
): Promise<{
  daemon: Xenstored;
  server: XenstoreServer;
  path: string;
  sim: Sim;
  folder: string;
}> => {
  const folder = mkdtempSync(join(tmpdir(), 'xenstore-'));
  const sim = new Sim(1);
  const daemon = new Xenstored({ sim, ...options });
  const path = join(folder, 'socket');
  const server = await XenstoreServer.listen(daemon, path);
  onTestFinished(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });
  return { daemon, server, path, sim, folder };
};
