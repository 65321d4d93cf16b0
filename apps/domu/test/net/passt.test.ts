/*
 * TCP between a guest and Linux, over saves and restores in other processes, in real time. What Linux's side makes of an absence is
 * its own affair, and passt's: it gives a guest that does not acknowledge some seconds.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { Agent, createServer, get, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { debianPackage } from '@tooling/peers';
import { afterAll, expect, test } from 'vitest';
import { randomBytes } from '../cycle.ts';
import { configure, scratch } from '../domu.ts';
import { freePort, GUEST, PasstPeer, Running, sleep, until } from './passt-peer.ts';

const MIB = 2 ** 20;
const LIMIT_MS = 100_000;
const TICK_MS = 50;
const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const cleanUp: (() => void)[] = [];
afterAll(() => {
  for (const clean of cleanUp) clean();
});

/** A server that sends a document in a given time, but no more than `#limit` of it before it is told to go on. */
class SlowServer {
  readonly document: Uint8Array;
  readonly sockets: Socket[] = [];
  sent = 0;
  readonly #server: Server;
  #limit: number;

  private constructor(size: number, time_ms: number, limit: number) {
    this.#limit = limit;
    this.document = randomBytes(size, 17);
    const piece = Math.ceil((size * TICK_MS) / time_ms);
    this.#server = createServer((request, response) => {
      this.sockets.push(request.socket);
      request.socket.on('error', () => {});
      response.writeHead(200, { 'content-length': this.document.length });
      let at = 0;
      const timer = setInterval(() => {
        if (at + piece > this.#limit) return;
        response.write(this.document.subarray(at, at + piece));
        at += piece;
        this.sent = Math.min(at, this.document.length);
        if (at >= this.document.length) {
          clearInterval(timer);
          response.end();
        }
      }, TICK_MS);
      request.socket.on('close', () => clearInterval(timer));
    });
    cleanUp.push(() => this.#server.closeAllConnections());
    cleanUp.push(() => this.#server.close());
  }

  /** @param limit bytes that are sent before {@link goOn}: however slow the machine is, a save is in the midst of it */
  static async start(size: number, time_ms: number, limit: number): Promise<SlowServer> {
    const slow = new SlowServer(size, time_ms, limit);
    slow.#server.listen(0, '127.0.0.1');
    await once(slow.#server, 'listening');
    return slow;
  }

  goOn(): void {
    this.#limit = Number.POSITIVE_INFINITY;
  }

  /** As the guest sees it. */
  get url(): string {
    return `http://10.9.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }
}

/** What tshark has to say against a capture file. */
const complaints = (capture: string): string => {
  const checks = ['ip', 'tcp', 'udp'].flatMap((name) => ['-o', `${name}.check_checksum:TRUE`]);
  const bad =
    '_ws.malformed or ip.checksum.status == 0 or tcp.checksum.status == 0 or udp.checksum.status == 0';
  const tshark = debianPackage('tshark', '/usr/bin/tshark');
  const { status, stdout, stderr } = spawnSync(tshark, ['-r', capture, ...checks, '-Y', bad], {
    encoding: 'utf8',
  });
  expect(status, stderr).toBe(0);
  return stdout;
};

const startPeer = async (folder: (name: string) => string, port?: number): Promise<PasstPeer> => {
  const peer = await PasstPeer.start(folder('.'), port);
  cleanUp.push(() => peer.stop());
  return peer;
};

const settings = (program: string) => ({
  vif: ['mac=00:16:3e:00:00:02'],
  extra: `xennet0=${GUEST} init=${program}`,
});

test.concurrent(
  'a guest fetches from Linux, is saved in the midst of it, is away for 3 s, and has every byte',
  async () => {
    const path = scratch();
    const [server, peer] = [await SlowServer.start(4 * MIB, 4000, 3 * MIB), await startPeer(path)];
    const config = configure(path('a.cfg'), {
      ...settings(''),
      extra: `xennet0=dhcp init=sh -c sleep 2; httpget ${server.url}`,
    });
    const first = peer.domu('create', config, '--pcap', path('first'));
    await until('a part to be sent', () => server.sent >= MIB);
    await peer.domu('save', 'guest', path('image')).untilEnded();
    expect([await first.untilEnded(), first.errors].join()).not.toContain('httpget:');
    expect(server.sent).toBeLessThan(server.document.length);
    server.goOn();
    await sleep(3000);
    const second = peer.domu('restore', path('image'), '--pcap', path('second'));
    expect(await second.untilEnded()).toContain(sha256Of(server.document));
    expect(second.status).toBe(0);
    expect(server.sockets.length).toBe(1);
    expect(first.printed).toContain('dhcp: address 10.9.0.2');

    for (const [name, note] of [
      ['first', 'domain 1 leaves: it is saved'],
      ['second', 'domain 1 came back: from'],
    ] as const) {
      expect(complaints(path(name))).toEqual('');
      // In the comment of a frame, or, when none came any more, of the interface's statistics.
      expect(readFileSync(path(name)).includes(note)).toBe(true);
    }
  },
  LIMIT_MS,
);

/** Bytes of a file so far. */
const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/** Asks the guest's httpd, on the agent's connection. */
const ask = (port: number, agent: Agent, range?: string): Promise<IncomingMessage> =>
  new Promise((settle, fail) => {
    const headers = range === undefined ? {} : { range };
    get({ host: '127.0.0.1', port, agent, headers }, settle).on('error', fail);
  });

test.concurrent(
  'curl fetches from a guest that is away for 3 s in the midst of it; an idle connection is good after 20 s',
  async () => {
    const path = scratch();
    const port = await freePort();
    const peer = await startPeer(path, port);
    const disk = randomBytes(24 * MIB, 23);
    writeFileSync(path('disk'), disk);
    const config = configure(path('b.cfg'), {
      ...settings('httpd /dev/xbd0'),
      disk: [`${path('disk')},raw,xvda,r`],
    });
    const first = peer.domu('create', config);
    // passt does not send a SYN again: the guest has to be there, and passt to know where.
    await first.untilPrinted('ring grants');
    await sleep(500);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    cleanUp.push(() => agent.destroy());
    const before = await ask(port, agent, 'bytes=0-511');
    const { socket } = before;
    expect(sha256Of(await buffer(before))).toBe(sha256Of(disk.subarray(0, 512)));
    const limits = ['--limit-rate', '3M', '--max-time', '60'];
    const curl = new Running(debianPackage('curl', '/usr/bin/curl'), [
      ...['-sS', ...limits, '-o', path('copy')],
      `http://127.0.0.1:${port}/`,
    ]);
    cleanUp.push(() => curl.stop());
    await until('a part to arrive', () => sizeOf(path('copy')) > 4 * MIB);
    await peer.domu('save', 'guest', path('image')).untilEnded();
    await first.untilEnded();
    await sleep(3000);
    expect(sizeOf(path('copy'))).toBeLessThan(disk.length);
    const second = peer.domu('restore', path('image'));
    await curl.untilEnded();
    expect([curl.status, curl.errors]).toEqual([0, '']);
    expect(sha256Of(readFileSync(path('copy')))).toBe(sha256Of(disk));

    await peer.domu('save', 'guest', path('again')).untilEnded();
    await second.untilEnded();
    await sleep(20_000);
    const third = peer.domu('restore', path('again'));
    await third.untilPrinted('domain resumed');
    const part = await ask(port, agent, 'bytes=1000-2999');
    expect(part.socket).toBe(socket);
    expect(part.statusCode).toBe(206);
    expect(sha256Of(await buffer(part))).toBe(sha256Of(disk.subarray(1000, 3000)));
  },
  LIMIT_MS,
);

test.concurrent(
  'away for longer than the peer is patient: the program is told in bounded time, and its next connection works',
  async () => {
    const path = scratch();
    const [server, peer] = [await SlowServer.start(24 * MIB, 6000, 8 * MIB), await startPeer(path)];
    const commands = `httpget -t 16 ${server.url}; httpget ${server.url}`;
    const config = configure(path('c.cfg'), settings(`sh -c ${commands}`));
    const first = peer.domu('create', config);
    await until('a part to be sent', () => server.sent >= MIB);
    await peer.domu('save', 'guest', path('image')).untilEnded();
    expect(await first.untilEnded()).not.toContain('httpget:');
    server.goOn();
    // More than all buffers on the way hold: passt gives up, and Linux learns of it.
    await until('the end of the connection', () => server.sockets[0]?.destroyed ?? false, 120);
    expect(server.sockets[0]?.bytesWritten).toBeLessThan(server.document.length);
    const began_ms = performance.now();
    const second = peer.domu('restore', path('image'));
    await second.untilPrinted('httpget: ');
    expect(performance.now() - began_ms).toBeLessThan(40_000);
    expect(second.printed).toMatch(
      /httpget: Connection (timed out|reset by peer) after \d+ bytes\n/,
    );
    expect(await second.untilEnded()).toContain(sha256Of(server.document));
  },
  LIMIT_MS,
);
