import { memoryDisk, type TestHost } from '@tooling/testbed';
import { describe, expect, test } from 'vitest';
import type { Guest } from '../src/guest.ts';
import { parseOperands } from '../src/programs/dd-operands.ts';
import { SYSCTL_NODES } from '../src/programs/sysctl-nodes.ts';
import { guest, randomBytes, xen2Guest } from './cycle.ts';
import { runWorkload } from './workload.ts';

const KIB = 1024;

/** Runs commands in a shell. @returns what each of them printed, and its status */
const run = (commands: string, bytes: Uint8Array[] = [], kernel: Guest = guest) => {
  const [a, b] = bytes.map((content) => memoryDisk(content.slice()));
  const disks = { ...(a && { xvda: a }), ...(b && { xvdb: b }) };
  const cmdline = `init=sh -c echo begin; ${commands}; exit 0`;
  const { text } = runWorkload({ guest: kernel, cmdline, disks });
  return { text: text.slice(text.indexOf('begin\n') + 6), a, b };
};

describe('dd', () => {
  test('reads numbers as NetBSD does', () => {
    const of = (bs: string): number => parseOperands([`bs=${bs}`]).bs;
    expect(['7', '2b', '4k', '3w', '2x3', '2kx2*4'].map(of)).toEqual([7, 1024, 4096, 12, 6, 16384]);
    const { count } = parseOperands(['count=1m']);
    expect(count).toBe(2 ** 20);
    const found = parseOperands(['of=/dev/a', 'oflag=dsync', 'seek=2', 'if=/dev/b', 'skip=1g']);
    expect(found).toMatchObject({ from: 3, to: 0, dsync: true, seek: 2, skip: 2 ** 30, wrong: '' });
  });

  test.each([
    ['count=abc', "count `abc': illegal number"],
    ['count=', 'no value specified for count'],
    ['count=-1', "count `-1': illegal number"],
    ['bs=1K', "bs `1K': illegal number"],
    ['bs=1kb', "bs `1kb': illegal number"],
    ['bs=0', 'bs 0 is less than 1.'],
    ['bs=1m', 'bs 1048576 is greater than 65536.'],
    ['of=a seek=0x10', "seek `0x10': illegal number"],
    ['of=a seek=99999t', 'is greater than'],
    ['foo=bar', 'unknown operand foo'],
    ['bs=1 bs=2', 'bs: already set'],
    ['oflag=sync of=a', 'unknown oflag sync'],
    ['seek=1', 'seek needs of=DEVICE'],
  ])('refuses %s, for it would copy something else', (operands, sentence) => {
    const { wrong } = parseOperands(operands.split(' '));
    expect(wrong).toContain(sentence);
  });

  test('writes nothing when an operand is wrong, and tells how far it came when a disk is full', () => {
    const [source, before] = [randomBytes(8 * KIB, 1), randomBytes(3 * 512, 2)];
    const copy = 'dd if=/dev/xbd0 of=/dev/xbd1';
    const refused = run(`${copy} seek=1q; echo $?; dd if=/dev/nix of=/dev/xbd1; echo $?`, [
      source,
      before,
    ]);
    expect(refused.text).toBe(
      "dd: seek `1q': illegal number\n1\ndd: /dev/nix cannot be opened: No such file or directory\n1\n",
    );
    expect(refused.b?.bytes).toEqual(before);
    const full = run(`${copy} bs=1k skip=2; echo $?`, [source, before]);
    expect(full.text).toBe(
      'dd: /dev/xbd1 cannot be written: No space left on device\n' +
        '2+0 records in\n1+1 records out\n1536 bytes transferred\n1\n',
    );
    expect(full.b?.bytes).toEqual(source.slice(2 * KIB, 2 * KIB + 3 * 512));
  });

  test('oflag=dsync over the controller interface, which has no barriers, writes all the same and says how', () => {
    const source = randomBytes(4 * KIB, 3);
    const target = new Uint8Array(8 * KIB);
    const command = 'dd if=/dev/xbd0 of=/dev/xbd1 bs=1k seek=2 oflag=dsync; echo $?';
    const { text, b } = run(command, [source, target], xen2Guest);
    expect(text).toBe(
      'dd: /dev/xbd1 has no barriers: it is flushed after each block\n' +
        '4+0 records in\n4+0 records out\n4096 bytes transferred\n0\n',
    );
    expect(b?.flushed().slice(2 * KIB, 6 * KIB)).toEqual(source);
  });

  test('oflag=dsync on a disk whose host has no barriers: every block is flushed before the next is read', () => {
    const source = randomBytes(4 * KIB, 6);
    const disks = { xvda: memoryDisk(source.slice()), xvdb: memoryDisk(4 * KIB) };
    const operations: number[] = [];
    const onHost = (host: TestHost, domid: number): void => {
      host.sim.trace.listen((_kind, _domid, [name, , operation]) => {
        if (name === 'blk-request') operations.push(Number(operation));
      });
      const node = `/local/domain/0/backend/vbd/${domid}/51728/feature-barrier`;
      host.runUntil('the back end to say what it has', () => host.store.tryRead(node) === '1');
      host.store.write(node, '0');
    };
    const cmdline = 'init=dd if=/dev/xbd0 of=/dev/xbd1 bs=1k oflag=dsync';
    const { text } = runWorkload({ guest, cmdline, disks, onHost });
    expect(text).toContain('4+0 records out\n4096 bytes transferred\n');
    const [read, write, flush] = [0, 1, 3];
    expect(operations).toEqual([...Array(4).fill([read, write, flush]).flat(), flush]);
    expect(disks.xvdb.flushed()).toEqual(source);
  });
});

test('what is no number is a usage, and nothing is done', () => {
  const usage = 'usage: balloon [MIB [SECONDS]]\n';
  expect(run('balloon abc; balloon -5; balloon 8 x; balloon 0; echo $?').text).toBe(
    `${usage}${usage}${usage}${usage}1\n`,
  );
  expect(run('counter 1x; echo $?').text).toBe('usage: counter [N]\n1\n');
  expect(run('ping 10.0.0.1 x; echo $?').text).toBe('usage: ping ADDRESS [COUNT]\n1\n');
  const disk = randomBytes(32 * KIB, 4);
  const pattern = 'usage: pattern DEVICE [SEED [PASSES]], both at most 4294967295\n';
  const wrong = ['x y', '4294967296', '1 -2', '1 2 3'].map((args) => `pattern /dev/xbd0 ${args}; `);
  const { text, a } = run(`${wrong.join('')}echo $?`, [disk]);
  expect(text).toBe(`${pattern}${pattern}${pattern}${pattern}1\n`);
  expect(a?.bytes).toEqual(disk);
});

describe('sysctl', () => {
  test('MD-15: says what the system is, as the kernel’s own file says it', () => {
    const { text } = run(
      'sysctl kern.ostype kern.osrelease kern.version hw; sysctl -n hw.ncpu hw.machine',
    );
    const build = Buffer.from(guest.buildId).toString('hex');
    expect(text).toBe(
      `kern.ostype = port-xen\nkern.osrelease = 0\nkern.version = port-xen 0 (xen-3.0-x86_64), build ${build}\n` +
        'hw.machine = amd64\nhw.ncpu = 1\nhw.physmem = 16777216\nhw.pagesize = 4096\n' +
        'hw.machine_arch = x86_64\nhw.physmem64 = 16777216\n1\namd64\n',
    );
  });

  test('shows all with -a and without names, and tells of a name that there is not', () => {
    for (const all of ['sysctl', 'sysctl -a']) {
      const shown = run(all).text.trimEnd().split('\n');
      expect(shown.map((line) => line.split(' = ')[0])).toEqual(
        SYSCTL_NODES.map((node) => node.name),
      );
    }
    const { text } = run(
      'sysctl nix hw.ncpu; echo $?; sysctl -x; sysctl -w nix=1; sysctl -w hw.ncpu=2; echo $?',
    );
    expect(text).toBe(
      'sysctl: nix: no such node\nhw.ncpu = 1\n1\nusage: sysctl [-an] [NAME], sysctl -w NAME=NUMBER\n' +
        'sysctl: nix: no such node\nsysctl: cannot be set: Operation not permitted\n1\n',
    );
  });
});

test('KERN-31: /dev/zero clears a disk, /dev/null takes it and has nothing', () => {
  const disk = randomBytes(8 * KIB, 5);
  const { text, a } = run(
    'dd if=/dev/zero of=/dev/xbd0 bs=1k count=3 seek=1; dd if=/dev/xbd0 of=/dev/null bs=4k; cp /dev/null /dev/xbd0',
    [disk],
  );
  expect(text).toBe(
    '3+0 records in\n3+0 records out\n3072 bytes transferred\n' +
      '2+0 records in\n2+0 records out\n8192 bytes transferred\ncp: 0 bytes copied\n',
  );
  const cleared = disk.slice();
  cleared.fill(0, KIB, 4 * KIB);
  expect(a?.flushed()).toEqual(cleared);
});
