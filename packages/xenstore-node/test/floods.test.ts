import { connect, type Socket } from 'node:net';
import { XS_READ, XS_TRANSACTION_START, XS_WATCH, XS_WRITE } from '@port-xen/abi';
import { encodeMessage, payloadOf } from '@port-xen/xenstore';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { XenstoreClient } from '../src/index.ts';
import { serve } from './served.ts';

/** A connection that speaks for itself. */
const rawConnection = async (path: string): Promise<Socket> => {
  const socket = connect(path);
  await new Promise((resolve) => socket.on('connect', resolve));
  socket.on('error', () => undefined);
  return socket;
};

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.on('close', () => resolve());
  });

/** Bytes that the process holds, outside the heap's slack. */
const held = (): number => {
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
};

/** Sends `count` requests and counts the answers. */
const flood = async (
  socket: Socket,
  count: number,
  request: (i: number) => Uint8Array,
): Promise<string> => {
  let text = '';
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
  });
  for (let i = 0; i < count; i += 1000) {
    const some = Array.from({ length: Math.min(1000, count - i) }, (_, j) => request(i + j));
    if (!socket.write(Buffer.concat(some))) {
      await new Promise((resolve) => socket.once('drain', resolve));
    }
  }
  const end = encodeMessage(XS_READ, 0xfffffffe, 0, payloadOf(['/end-of-flood']));
  socket.write(end);
  await expect.poll(() => text.includes('\xfe\xff\xff\xff'), { timeout: 50_000 }).toBe(true);
  return text;
};

describe('floods', () => {
  test('FLOOD-1: watches without end are refused, others are served, and none is left', async () => {
    const { path, daemon } = await serve({ quotas: { connectionWatches: 5000 } });
    const socket = await rawConnection(path);
    const other = await XenstoreClient.connect(path);
    const before = held();
    const answers = flood(socket, 20_000, (i) =>
      encodeMessage(XS_WATCH, i + 1, 0, payloadOf([`/w/${i % 100}`, `${i}`])),
    );
    for (let i = 0; i < 50; i++) await other.write('/other', `${i}`);
    expect((await answers).split('E2BIG').length - 1).toBe(15_000);
    expect(daemon.counters().watches).toBe(5000);
    expect(held() - before).toBeLessThan(100e6);
    socket.destroy();
    await expect.poll(() => daemon.counters().watches).toBe(0);
    expect(await other.read('/other')).toBe('49');
    await other.close();
  });

  test('FLOOD-2: transactions without end are refused', async () => {
    const { path, daemon } = await serve();
    const socket = await rawConnection(path);
    const text = await flood(socket, 5000, (i) =>
      encodeMessage(XS_TRANSACTION_START, i + 1, 0, payloadOf([''])),
    );
    expect(text.split('ENOSPC').length - 1).toBe(5000 - 1024);
    expect(daemon.counters().transactions).toBe(1024);
    socket.destroy();
    await expect.poll(() => daemon.counters().transactions).toBe(0);
  });

  test('FLOOD-3: a watcher that does not read is disconnected before it costs much', async () => {
    const { path, daemon } = await serve();
    const socket = await rawConnection(path);
    socket.write(encodeMessage(XS_WATCH, 1, 0, payloadOf(['/f', 'token'])));
    await new Promise((resolve) => socket.once('data', resolve));
    socket.pause();
    const other = await XenstoreClient.connect(path);
    const before = held();
    const gone = expect.poll(() => daemon.counters().connections, { timeout: 50_000 }).toBe(2);
    const name = 'n'.repeat(1000);
    for (let i = 0; i < 200; i++) {
      await Promise.all(
        Array.from({ length: 50 }, (_, j) => other.write(`/f/${name}/${i * 50 + j}`, '')),
      );
    }
    await gone;
    expect(daemon.counters().watches).toBe(0);
    expect(held() - before).toBeLessThan(100e6);
    socket.destroy();
    await other.close();
  });

  test('FLOOD-4: requests without end do not keep others waiting', async () => {
    const { path, daemon } = await serve();
    let busy = 0;
    daemon.observe((changed) => {
      if (changed.startsWith('/busy')) busy++;
    });
    const burst = Buffer.concat(
      Array.from({ length: 2000 }, (_, i) =>
        encodeMessage(XS_WRITE, i, 0, payloadOf([`/busy/${i}`, ''])),
      ),
    );
    const sockets = await Promise.all(Array.from({ length: 4 }, () => rawConnection(path)));
    for (const socket of sockets) {
      socket.on('data', () => undefined);
      const pump = (): void => {
        while (!socket.destroyed && socket.write(burst));
      };
      socket.on('drain', pump);
      pump();
    }
    const other = await XenstoreClient.connect(path);
    await expect.poll(() => busy).toBeGreaterThan(1000);
    const before = busy;
    for (let i = 0; i < 30; i++) await other.write('/calm', `${i}`);
    // A turn of each of the others, and not all that they have sent, goes before each request.
    expect(busy - before).toBeLessThan(30 * 4 * 256 * 4);
    for (const socket of sockets) socket.destroy();
    await other.close();
  });

  test('FLOOD-5: any bytes are answered, or cost the connection that sent them', async () => {
    const { path, daemon } = await serve();
    const other = await XenstoreClient.connect(path);
    const header = fc
      .tuple(fc.nat(30), fc.nat(0xffffff), fc.nat(3), fc.nat(5000))
      .map((words) => new Uint8Array(Uint32Array.from(words).buffer));
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      header,
      fc.constant(encodeMessage(XS_READ, 7, 0, payloadOf(['/']))),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
        const socket = await rawConnection(path);
        socket.on('data', () => undefined);
        for (const bytes of pieces) socket.write(bytes);
        socket.end();
        await closed(socket);
        expect(await other.read('/tool')).toBe('');
      }),
      { numRuns: 100 },
    );
    await expect.poll(() => daemon.counters().connections).toBe(2);
    expect(await other.control('check')).toBe('OK');
    await other.close();
  });
});
