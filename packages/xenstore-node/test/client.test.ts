import { connect } from 'node:net';
import { XS_READ } from '@port-xen/abi';
import { encodeMessage, XenstoreError } from '@port-xen/xenstore';
import { describe, expect, test } from 'vitest';
import { XenstoreClient, XenstoreServer } from '../src/index.ts';
import { serve } from './served.ts';

describe('client and server', () => {
  test('SOCK-6: a watch is a loop over the paths that change', async () => {
    const { path } = await serve();
    const [one, two] = [await XenstoreClient.connect(path), await XenstoreClient.connect(path)];
    const seen: string[] = [];
    const watch = await one.watch('/w');
    await two.write('/w/a', '1');
    await two.write('/w/b', '1');
    for await (const changed of watch) {
      seen.push(changed);
      if (changed === '/w/b') break;
    }
    expect(seen).toEqual(['/w', '/w/a', '/w/b']);
    const shallow = await one.watch('/w', 0);
    expect((await shallow.next()).value).toBe('/w');
    await two.write('/w/a', '2');
    await two.write('/w', '2');
    expect((await shallow.next()).value).toBe('/w');
    await shallow.return();
    expect(await two.control('memreport')).toContain('watches: 0\n');
    await one.close();
    await two.close();
  });

  test('SOCK-7: errors carry the code; what waits fails when the connection ends', async () => {
    const { path, server } = await serve();
    const client = await XenstoreClient.connect(path);
    await expect(client.read('/none')).rejects.toThrow(XenstoreError);
    await expect(client.read('/none')).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await client.tryRead('/none')).toBeUndefined();
    const watch = await client.watch('/w');
    expect((await watch.next()).value).toBe('/w');
    const waiting = expect(watch.next()).rejects.toThrow('closed');
    await server.close();
    await waiting;
    await expect(client.read('/')).rejects.toThrow('closed');
    await expect(XenstoreClient.connect(path)).rejects.toThrow();
    await XenstoreServer.listen((await serve()).daemon, path).then((again) => again.close());
  });

  test('SOCK-8: a client that does not read is not read from, and holds little', async () => {
    const { path, daemon } = await serve();
    const dom0 = daemon.connect(0);
    dom0.write('/big', 'x'.repeat(4000));
    const socket = connect(path);
    await new Promise((resolve) => socket.on('connect', resolve));
    socket.pause();
    const request = encodeMessage(XS_READ, 1, 0, new TextEncoder().encode('/big\0'));
    const many = Buffer.concat(Array.from({ length: 20_000 }, () => request));
    let received = 0;
    socket.write(many);
    const other = await XenstoreClient.connect(path);
    for (let i = 0; i < 20; i++) expect(await other.read('/big')).toHaveLength(4000);
    const held = process.memoryUsage().arrayBuffers;
    expect(held).toBeLessThan(60e6);
    socket.on('data', (bytes) => {
      received += bytes.length;
    });
    socket.resume();
    await expect.poll(() => received, { timeout: 10_000 }).toBe(20_000 * 4016);
    socket.destroy();
    await other.close();
  });

  test('SOCK-9: too long a message costs that connection', async () => {
    const { path, daemon } = await serve();
    const socket = connect(path);
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.write(Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 16, 0, 0));
    await closed;
    await expect.poll(() => daemon.counters().connections).toBe(1);
  });

  test('SOCK-10: listens only where it can', async () => {
    const { path, daemon, folder } = await serve();
    await expect(XenstoreServer.listen(daemon, path)).rejects.toThrow('found a server at');
    await expect(XenstoreServer.listen(daemon, folder)).rejects.toThrow('another file');
    const long = `${folder}/${'x'.repeat(100)}`;
    await expect(XenstoreServer.listen(daemon, long)).rejects.toThrow('at most 107 bytes');
  });
});
