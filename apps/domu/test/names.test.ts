/*
 * Which world a command is about: a name is one running domain's, and worlds that were killed count no more.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { configure, domu as run, scratch } from './domu.ts';

const path = scratch();
const bin = fileURLToPath(new URL('../bin/domu', import.meta.url));
const environment = { XDG_RUNTIME_DIR: path('run') };
const folder = path('run/port-xen');
mkdirSync(environment.XDG_RUNTIME_DIR);
const domu = (...args: readonly string[]) => run(...args, environment);

const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

/** A world in a process of its own, its console held open. */
const start = (...args: readonly string[]) => {
  const child = spawn(bin, args, { env: { ...process.env, ...environment }, stdio: 'pipe' });
  children.push(child);
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].on('data', (bytes: Buffer) => {
      said[stream] += bytes.toString();
    });
  }
  const ended = new Promise<number | null>((settle) => child.on('close', settle));
  const booted = new Promise<void>((settle) =>
    child.stdout.on('data', () => said.stdout.includes('counter 1 ') && settle()),
  );
  return { child, said, ended, booted };
};

const config = configure(path('one.cfg'), { name: 'one', extra: 'init=counter' });

test('of two that are created at once with one name, one runs; the other is told who has it', async () => {
  const worlds = [start('create', '-c', config), start('create', '-c', config)];
  const loser = await Promise.race(worlds.map(({ ended }, i) => ended.then(() => i)));
  const winner = worlds[1 - loser] as (typeof worlds)[0];
  await winner.booted;
  expect(worlds[loser]?.said).toEqual({
    stdout: '',
    stderr: `Parsing config from ${config}\ndomu: A domain with name "one" already exists, in process ${winner.child.pid}: give this one another, name="…" after the file\n`,
  });
  expect(await worlds[loser]?.ended).toBe(1);
  expect(readdirSync(folder).sort()).toEqual(
    ['name', 'sock'].map((kind) => `${winner.child.pid}.${kind}`),
  );

  const image = path('one.save');
  expect(domu('save', '-c', 'one', image).status).toBe(0);
  const again = domu('restore', image);
  expect(again.status).toBe(1);
  expect(again.stderr).toMatch(
    /^domu: A domain with name "one" already exists, in process \d+: .*would write to the same disks; end that one first \(domu destroy one\), or give this one another with --name$/m,
  );
  expect(domu('restore', image, '--name', 'a b').stderr).toContain('without blanks, found "a b"');

  const other = start('restore', '-c', '--name', 'two', image);
  while (!readdirSync(folder).includes(`${other.child.pid}.name`)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(
    domu('list')
      .stdout.match(/^(one|two) /gm)
      ?.sort(),
  ).toEqual(['one ', 'two ']);
  expect(domu('pause', '1').stderr).toMatch(/2 worlds have a domain 1: name one by its name/);
  expect(domu('destroy', 'two').status).toBe(0);
  // The name is free when the command returns.
  expect(domu('destroy', 'one').status).toBe(0);
  expect(domu('create', config, 'extra="init=counter 1"').status).toBe(0);
  await Promise.all([other.ended, winner.ended]);
  expect(readdirSync(folder)).toEqual([]);
});

test('a world that was killed leaves no name taken, and list removes its socket', async () => {
  const killed = start('create', '-c', config);
  await killed.booted;
  killed.child.kill('SIGKILL');
  await killed.ended;
  const left = ['name', 'sock'].map((kind) => `${killed.child.pid}.${kind}`);
  const socket = join(folder, `${killed.child.pid}.sock`);
  expect(readdirSync(folder).sort()).toEqual(left);
  // One that was made just now may be a world's that is about to listen.
  utimesSync(socket, new Date(), new Date());
  expect(domu('create', config, 'extra="init=counter 1"').status).toBe(0);
  expect(readdirSync(folder).sort()).toEqual(left);
  utimesSync(socket, 1, 1);
  expect(domu('list').stdout).not.toContain('one');
  expect(readdirSync(folder)).toEqual([]);
});
