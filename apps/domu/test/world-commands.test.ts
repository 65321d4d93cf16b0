/*
 * Commands about a world that runs in another process, over its socket.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  constants,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { debianPackage, verifyStream } from '@tooling/peers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configure, domu as run, scratch } from './domu.ts';

const path = scratch();
const runtime = path('run');
mkdirSync(runtime);
const environment = { XDG_RUNTIME_DIR: runtime };
const domu = (...args: readonly string[]) => run(...args, environment);

const bin = fileURLToPath(new URL('../bin/domu', import.meta.url));

/** A domu at work, with what it has printed. */
const spawned = (args: readonly string[], stdin: 'pipe' | number) => {
  const child = spawn(bin, args, {
    env: { ...process.env, ...environment },
    stdio: [stdin, 'pipe', 'pipe'],
  });
  let printed = '';
  child.stdout?.on('data', (bytes: Buffer) => {
    printed += bytes.toString();
  });
  let complaints = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    complaints += bytes.toString();
  });
  const ended = new Promise<number | null>((settle) => {
    child.on('close', (code) => settle(code));
  });
  return { child, ended, printed: () => printed, complaints: () => complaints };
};

const start = (...args: readonly string[]) => spawned(args, 'pipe');

/** Reads what waits in a FIFO. @returns how many bytes */
const readWaiting = (fd: number, into: Buffer): number => {
  try {
    return readSync(fd, into);
  } catch {
    return 0;
  }
};

const world = start(
  'create',
  '-c',
  configure(path('slow.cfg'), { name: 'slow', extra: 'init=counter' }),
);

const until = async (what: string, holds: () => boolean): Promise<void> => {
  const end = performance.now() + 30_000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`waited for ${what} in vain`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

beforeAll(() => until('the counter', () => world.printed().includes('counter 1 ')));
afterAll(() => {
  world.child.kill();
});

test('list shows the domain as xl does', () => {
  const { stdout } = domu('list');
  expect(stdout).toMatch(
    /^Name {40}ID {3}Mem VCPUs\tState\tTime\(s\)\nslow {37} +1 {4}16 {5}1 {5}[-rb]{6} +0\.\d\n$/,
  );
  expect(JSON.parse(domu('list', 'slow', '--json').stdout)).toMatchObject([
    { name: 'slow', domid: 1, mem_mib: 16 },
  ]);
});

test('a paused domain counts no further', async () => {
  expect(domu('pause', 'slow').status).toBe(0);
  expect(domu('list').stdout).toMatch(/[-rb]{2}p---/);
  // What it printed before that may still be on its way here.
  await new Promise((resolve) => setTimeout(resolve, 500));
  const before = world.printed();
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(world.printed()).toBe(before);
  expect(domu('unpause', 'slow').status).toBe(0);
  await until('the next line', () => world.printed() !== before);
});

test('dump-core writes an ELF core with the sections of Xen', () => {
  const core = path('core');
  expect(domu('dump-core', 'slow', core).status).toBe(0);
  const bytes = readFileSync(core);
  expect(bytes.subarray(0, 4).toString('latin1')).toBe('\x7fELF');
  expect(bytes.readUInt16LE(16)).toBe(4);
  const names = bytes.subarray(bytes.length - 100).toString('latin1');
  for (const name of ['.note.Xen', '.xen_prstatus', '.xen_shared_info', '.xen_p2m', '.xen_pages']) {
    expect(names).toContain(`\0${name}\0`);
  }
  const binutils = debianPackage('binutils', '/usr/bin/readelf');
  const notes = spawnSync(binutils, ['-n', core], { encoding: 'utf8' });
  expect(notes.stdout.match(/^ {2}Xen .*0x0200000[0-3]/gm)).toHaveLength(4);
  expect(notes.stderr).toBe('');
});

test('COR-2: gdb reads the registers and the memory of a dumped domain', () => {
  const core = path('gdb.core');
  expect(domu('dump-core', 'slow', core).status).toBe(0);
  const gdb = debianPackage('gdb', '/usr/bin/gdb');
  const wanted = ['info registers cs rip', 'x/i $rip - 2'];
  const { stdout } = spawnSync(
    gdb,
    ['-batch', '-nx', '-c', core, ...wanted.flatMap((command) => ['-ex', command])],
    { encoding: 'utf8' },
  );
  expect(stdout).toContain('[New LWP 1]');
  expect(stdout).toMatch(/cs +0xe033/);
  // It sleeps: behind the instruction of a hypercall.
  expect(stdout).toMatch(/0xffffffff[0-9a-f]{8}:\s+syscall/);
});

test('info, dmesg and vcpu-list speak of the host', () => {
  expect(domu('info').stdout).toMatch(/^xen_major +: 4$/m);
  expect(domu('dmesg').stdout).toContain('toolstack: domain 1: made, "slow"');
  expect(JSON.parse(domu('dmesg', '--json').stdout)).toEqual([
    expect.arrayContaining([expect.stringContaining('domain 1: made, "slow"')]),
  ]);
  expect(domu('vcpu-list').stdout).toMatch(/^slow +1 +0 +0 /m);
  expect(domu('vcpu-list', 'slow', '1').stdout.match(/^slow +1 +0 +0 /gm)?.length).toBe(2);
  expect(domu('vcpu-list', 'slow', '9').stderr).toBe(
    'domu: 9 is an invalid domain identifier: no such domain\n',
  );
});

test('a disk comes and goes while the domain runs', async () => {
  const disk = path('plugged.img');
  writeFileSync(disk, new Uint8Array(1 << 20));
  expect(domu('block-attach', 'slow', `${disk},raw,xvdb,w`).status).toBe(0);
  await until('the disk', () => world.printed().includes('xbd0: 1.00 MB'));
  expect(domu('block-list', 'slow').stdout).toMatch(
    /^Vdev {2}BE {2}handle state evt-ch ring-ref BE-path {23}\n51728 0 {3}1 {6}4 {5}\d+ +\d+ +\/local\/domain\/0\/backend\/vbd\/1\/51728 *\n$/,
  );
  expect(JSON.parse(domu('block-list', 'slow', '--json').stdout)).toMatchObject([
    { vdev: 51728, state: 4, name: 'xvdb', mode: 'w', target: disk },
  ]);
  const again = domu('block-attach', 'slow', `${disk},raw,xvdb,w`);
  expect(again.stderr).toBe('domu: domain 1 has a device xvdb already\n');
  expect(domu('block-detach', 'slow', 'xvdb').status).toBe(0);
  await until('the disk to go', () => world.printed().includes('xbd0: detached'));
  expect(domu('block-list', 'slow').stdout).not.toContain('51728');
  expect(domu('block-detach', 'slow', 'xvdb').stderr).toBe('domu: domain 1 has no device xvdb\n');
});

test('a disk is looked for where the command is given, whatever the names of folder and file are', () => {
  const folder = path('a $& folder');
  mkdirSync(folder);
  for (const [vdev, target] of [
    ['xvdd', 'd'],
    ['xvde', 'raw'],
  ] as const) {
    writeFileSync(join(folder, target), new Uint8Array(1 << 20));
    const spec = `vdev=${vdev},format=raw,access=w,target=${target}`;
    const { status, stderr } = spawnSync(bin, ['block-attach', 'slow', spec], {
      encoding: 'utf8',
      cwd: folder,
      env: { ...process.env, ...environment },
    });
    expect([status, stderr]).toEqual([0, '']);
    const disks = JSON.parse(domu('block-list', 'slow', '--json').stdout);
    expect(disks).toContainEqual(
      expect.objectContaining({ name: vdev, target: join(folder, target) }),
    );
    expect(domu('block-detach', 'slow', vdev).status).toBe(0);
  }
});

test('a key reaches the kernel, which says so', async () => {
  expect(domu('sysrq', 'slow', 'h').status).toBe(0);
  await until('the key', () => world.printed().includes("unknown letter 'h'"));
});

test.each([
  [['pause', 'nobody'], 'nobody is an invalid domain identifier: no such domain'],
  [['list', 'nobody'], 'nobody is an invalid domain identifier: no such domain'],
  [['mem-set', 'slow', '9999'], 'expected 1 to 16 MiB for domain 1, found 9999'],
  [['mem-set', 'slow', '12x'], 'expected a size in MiB, found "12x"'],
  [['sysrq', 'slow', 'xx'], 'expected one key, found "xx"'],
  [
    ['save', 'slow', '/nowhere/x'],
    'Failed to open temp file /nowhere/x.partial for writing: No such file or directory\n',
  ],
  [['dump-core', 'slow', '/nowhere/x'], '/nowhere/x'],
])('%j is refused in a sentence', (args, sentence) => {
  const { status, stderr } = domu(...args);
  expect(stderr).toContain(sentence);
  expect(status).toBe(1);
});

test('a socket that is sent nonsense answers in a sentence, and the world goes on', async () => {
  const answer = await new Promise<string>((settle) => {
    const socket = createConnection(join(runtime, 'port-xen', `${world.child.pid}.sock`));
    let got = '';
    socket.on('data', (bytes: Buffer) => {
      got += bytes.toString();
    });
    socket.on('close', () => settle(got));
    socket.write('{]\n');
  });
  expect(answer).toContain('expected a line of JSON with a command');
  expect(domu('list').stdout).toContain('slow');
});

test('a checkpoint leaves the domain running; a save takes it away, and its world ends', async () => {
  const image = path('checkpoint.save');
  expect(domu('save', '-c', 'slow', image).status).toBe(0);
  expect(verifyStream(image)).toMatchObject({ accepted: true });
  const last = path('last.save');
  expect(domu('save', 'slow', last).status).toBe(0);
  expect(await world.ended).toBe(0);
  expect(domu('list').stdout).not.toContain('slow');
  expect(verifyStream(last)).toMatchObject({ accepted: true });
});

test('what is typed into a console while its domain is saved and restored is the guest’s once, or known not to be', async () => {
  const config = configure(path('echo.cfg'), { name: 'echo', extra: 'init=cat' });
  const here = start('create', '-c', config);
  await until('the domain', () => here.printed().includes('balloon0: '));
  const fifo = path('keyboard');
  expect(spawnSync('mkfifo', [fifo]).status).toBe(0);
  const keyboard = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
  const joined = spawned(['console', 'echo'], openSync(fifo, constants.O_RDWR));
  const lines: string[] = [];
  const type = (): void => {
    const line = `line ${lines.length} of what is typed\n`;
    if (writeSync(keyboard, line) > 0) lines.push(line);
  };
  type();
  await until('cat to print the line', () => joined.printed().includes('line 0 of'));
  const typing = setInterval(type, 2);
  expect(await start('save', '-c', 'echo', path('once.save')).ended).toBe(0);
  const last = path('echo.save');
  const leave = start('save', 'echo', last);
  const status = await joined.ended;
  clearInterval(typing);
  expect(await leave.ended).toBe(0);
  const told = /last \d+ bytes typed: (".*")/.exec(joined.complaints());
  const untaken = told === null ? '' : (JSON.parse(told[1] as string) as string);
  expect(status).toBe(untaken === '' ? 0 : 1);
  // What the console has never read is in the keyboard still.
  const unread = Buffer.alloc(65536);
  const length = readWaiting(keyboard, unread);
  const there = start('restore', '-c', last);
  there.child.stdin?.write(untaken);
  there.child.stdin?.write(unread.subarray(0, length));
  await until('the last line', () => there.printed().includes(`${lines.at(-1)}`));
  expect(domu('shutdown', 'echo')).toMatchObject({ status: 0, stderr: 'Shutting down domain 1\n' });
  expect(await there.ended).toBe(0);
  const shown = `${here.printed()}${there.printed()}`.replaceAll('\r', '');
  expect(shown.match(/^line \d+ of what is typed\n/gm)).toEqual(lines);
});
