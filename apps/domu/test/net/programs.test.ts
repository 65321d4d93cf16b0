/*
 * The network programs, one guest to another on a wire that loses nothing.
 */
import { createHash } from 'node:crypto';
import { memoryDisk } from '@tooling/testbed';
import { describe, expect, test } from 'vitest';
import { byteRange, parseHead } from '../../src/programs/http-head.ts';
import { guest, randomBytes } from '../cycle.ts';
import { NetWorld } from './net-world.ts';

const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** What a client prints that is run against a server. */
const run = (
  server: { program: string; ready: string; disk?: Uint8Array },
  program: string,
  disk?: ReturnType<typeof memoryDisk>,
): string => {
  const world = new NetWorld({ guest });
  const disks = server.disk === undefined ? {} : { xvda: memoryDisk(server.disk) };
  const there = world.boot('server', { address: 1, program: server.program, disks });
  world.untilPrinted(there, server.ready);
  const here = world.boot('client', {
    address: 2,
    program,
    ...(disk !== undefined && { disks: { xvda: disk } }),
  });
  const text = world.untilEnded(here);
  expect(world.audit()).toEqual([]);
  return text;
};

describe('httpd and httpget', () => {
  const disk = randomBytes(100 * 512, 5);
  const server = { program: 'httpd /dev/xbd0 8080', ready: 'port 8080', disk };
  const url = 'http://10.9.0.1:8080/';

  test('a disk is fetched to another disk', () => {
    const copy = memoryDisk(64 * 1024);
    const text = run(server, `httpget -o /dev/xbd0 ${url}`, copy);
    expect(text).toContain(sha256Of(disk));
    expect(sha256Of(copy.flushed().subarray(0, disk.length))).toBe(sha256Of(disk));
  });

  test('five at once, and one after the other', () => {
    const four = Array.from({ length: 4 }, () => `httpget ${url} & `).join('');
    const text = run(server, `sh -c ${four}httpget ${url}; wait; httpget ${url}; echo $?`);
    expect(text.split(sha256Of(disk)).length - 1).toBe(6);
  });

  test('what cannot be fetched is told in words', () => {
    expect(run(server, 'httpget http://10.9.0.1:81/')).toContain(
      'httpget: connect: Connection refused\n',
    );
    expect(run(server, `httpget ${url} > /dev/xbd7`)).toContain('httpget: device cannot be opened');
    expect(run(server, `httpget ${url} > /dev/xbd0`, memoryDisk(512))).toContain(
      'httpget: device cannot be written: No space left on device\n',
    );
    expect(run(server, 'httpget ftp://10.9.0.1/')).toContain('usage: httpget');
    expect(run(server, 'httpget http://10.9.0.7/')).toContain('httpget: connect: Host is down\n');
    expect(run(server, 'sh -c ping 10.9.0.7 6; exit 0')).toContain('ping: sendto: Host is down\n');
  });
});

test('ttcp counts the same bytes at both ends', () => {
  const server = { program: 'ttcp -r', ready: 'ttcp-r: socket' };
  const text = run(server, 'ttcp -t -n 64 10.9.0.1');
  expect(text).toMatch(/ttcp-t: 524288 bytes in \d+\.\d\d real seconds = \d+\.\d\d KB\/sec\n/);
});

test('heads of messages', () => {
  const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
  expect(parseHead(bytes('GET / HTTP/1.1\r\nHost: a\r\n'))).toBe(undefined);
  const head = parseHead(bytes('GET / HTTP/1.1\r\nHost:  a \r\nRange: bytes=0-1\r\n\r\nmore'));
  expect(head?.line).toBe('GET / HTTP/1.1');
  expect([...(head?.fields ?? [])]).toEqual([
    ['host', 'a'],
    ['range', 'bytes=0-1'],
  ]);
  expect(head?.length).toBe(47);
});

test.each([
  ['bytes=0-0', [0, 1]],
  ['bytes=10-19', [10, 20]],
  ['bytes=90-', [90, 100]],
  ['bytes=90-1000', [90, 100]],
  ['bytes=-7', [93, 100]],
  ['bytes=-1000', [0, 100]],
  ['bytes=100-', 'unsatisfiable'],
  ['bytes=-0', 'unsatisfiable'],
  ['bytes=5-4', undefined],
  ['bytes=0-1,4-5', undefined],
  ['bytes=-', undefined],
  ['lines=1-2', undefined],
  [undefined, undefined],
])('of 100 bytes, %s is %s', (field, expected) => {
  expect(byteRange(field, 100)).toEqual(expected);
});
