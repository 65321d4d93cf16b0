import { type ChildProcess, execFile } from 'node:child_process';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { XS_READ, XS_WRITE } from '@port-xen/abi';
import { encodeMessage } from '@port-xen/xenstore';
import { debianPackage } from '@tooling/peers';
import { expect, onTestFinished, test } from 'vitest';
import { XenstoreClient } from '../src/index.ts';
import { serve } from './served.ts';

const run = promisify(execFile);
const successor = join(import.meta.dirname, 'successor.ts');

test('LIVE-1: replaced by another process, with watches, transactions and half a request under way', async () => {
  debianPackage('xenstore-utils', '/usr/bin/xenstore-read');
  const { path, server } = await serve();
  const [one, two] = [await XenstoreClient.connect(path), await XenstoreClient.connect(path)];
  await one.write('/a', 'before');
  const watch = await one.watch('/a');
  expect((await watch.next()).value).toBe('/a');
  const tx = await two.transactionStart();
  expect(await two.read('/a', tx)).toBe('before');
  await two.write('/b', 'in transaction', tx);
  const loser = await two.transactionStart();
  await two.read('/a', loser);
  await two.write('/c', 'lost', loser);
  const half = connect(path);
  await new Promise((resolve) => half.on('connect', resolve));
  const write = encodeMessage(XS_WRITE, 5, 0, new TextEncoder().encode('/half\0whole'));
  half.write(write.subarray(0, 19));
  await two.read('/a');

  const child = await server.replaceBy(process.execPath, [successor]);
  onTestFinished(async () => {
    child.kill();
  });
  const reads = Promise.all(Array.from({ length: 50 }, () => one.read('/a')));
  half.write(write.subarray(19));
  const reply = await new Promise<Buffer>((resolve) => half.once('data', resolve));
  expect(reply.subarray(16).toString('latin1')).toBe('OK\0');
  half.destroy();
  expect(new Set(await reads)).toEqual(new Set(['before']));
  expect(await one.read('/half')).toBe('whole');
  await two.transactionEnd(tx, true);
  await two.write('/a', 'after');
  expect((await watch.next()).value).toBe('/a');
  await expect(two.transactionEnd(loser, true)).rejects.toMatchObject({ code: 'EAGAIN' });
  const env = { ...process.env, XENSTORED_PATH: path };
  expect((await run('/usr/bin/xenstore-read', ['/a', '/b'], { env })).stdout).toBe(
    'after\nin transaction\n',
  );
  await watch.return();
  await one.close();
  await two.close();
});

test('LIVE-2: under load no answer is lost and none comes twice', async () => {
  const { path, server } = await serve();
  const clients = await Promise.all(Array.from({ length: 10 }, () => XenstoreClient.connect(path)));
  let going = true;
  const work = clients.map(async (client, i) => {
    let n = 0;
    while (going || n < 200) {
      await client.write(`/load/${i}`, `${++n}`);
      expect(await client.read(`/load/${i}`)).toBe(`${n}`);
    }
    return n;
  });
  const slow = connect(path);
  await new Promise((resolve) => slow.on('connect', resolve));
  const child = await server.replaceBy(process.execPath, [successor]);
  onTestFinished(() => {
    child.kill();
  });
  slow.write(encodeMessage(XS_READ, 1, 0, new TextEncoder().encode('/load\0')));
  await new Promise((resolve) => slow.once('data', resolve));
  slow.destroy();
  going = false;
  for (const n of await Promise.all(work)) expect(n).toBeGreaterThanOrEqual(200);
  await Promise.all(clients.map((client) => client.close()));
});

test('LIVE-2: what requests that come at the last moment cause is told, whoever is told', async () => {
  const { path, server } = await serve();
  const watchers = await Promise.all(Array.from({ length: 3 }, () => XenstoreClient.connect(path)));
  const watches = await Promise.all(watchers.map((client) => client.watch('/last')));
  for (const watch of watches) await watch.next();
  const writers = await Promise.all(Array.from({ length: 3 }, () => XenstoreClient.connect(path)));
  const update = server.replaceBy(process.execPath, [successor]);
  const written = Promise.all(writers.map((client, i) => client.write(`/last/${i}`, '')));
  const child = await update;
  onTestFinished(() => {
    child.kill();
  });
  await written;
  for (const watch of watches) {
    const seen = [await watch.next(), await watch.next(), await watch.next()];
    expect(seen.map(({ value }) => value).sort()).toEqual(['/last/0', '/last/1', '/last/2']);
  }
  await Promise.all([...watchers, ...writers].map((client) => client.close()));
});

test("LIVE-3: Debian's xenstore-control has a server replaced, and its watcher goes on", async () => {
  const control = debianPackage('xen-utils-4.17', '/usr/lib/xen-4.17/bin/xenstore-control');
  let child: Promise<ChildProcess> | undefined;
  const { path, server } = await serve({
    replace: (program, args) => {
      setImmediate(() => {
        child = server.replaceBy(program, args);
      });
      return undefined;
    },
  });
  onTestFinished(async () => {
    (await child)?.kill();
  });
  const watcher = await XenstoreClient.connect(path);
  const watch = await watcher.watch('/a');
  await watch.next();
  const env = { ...process.env, XENSTORED_PATH: path };
  await run(control, ['live-update', '-c', successor, process.execPath], { env });
  expect((await child)?.pid).not.toBe(process.pid);
  await run('/usr/bin/xenstore-write', ['/a', '1'], { env });
  expect((await watch.next()).value).toBe('/a');
  await watcher.close();
});

test('LIVE-4: when no other process can be started, the server goes on', async () => {
  const { path, server } = await serve();
  const client = await XenstoreClient.connect(path);
  const tx = await client.transactionStart();
  await client.write('/a', '1', tx);
  const half = connect(path);
  await new Promise((resolve) => half.on('connect', resolve));
  const read = encodeMessage(XS_READ, 5, 0, new TextEncoder().encode('/a\0'));
  half.write(read.subarray(0, 7));
  await client.read('/');
  await expect(server.replaceBy('/no/such/program', [])).rejects.toThrow('ENOENT');
  await client.transactionEnd(tx, true);
  half.write(read.subarray(7));
  const reply = await new Promise<Buffer>((resolve) => half.once('data', resolve));
  expect(reply.subarray(16).toString()).toBe('1');
  half.destroy();
  await client.close();
});
