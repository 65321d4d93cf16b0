/*
 * Which world a command is about: names are a world's own, and worlds that were killed count no more.
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

test('two worlds may have domains of one name: a process says which is meant', async () => {
  const [one, two] = [start('create', '-c', config), start('create', '-c', config)] as const;
  await Promise.all([one.booted, two.booted]);
  expect(readdirSync(folder).length).toBe(2);
  const { status, stderr } = domu('pause', 'one');
  expect(status).toBe(1);
  const [first, second] = [one.child.pid, two.child.pid].map(String).sort();
  expect(stderr).toBe(
    `domu: 2 worlds have a domain one: say its process, too (${first}:one, ${second}:one)\n`,
  );
  expect(domu('pause', `${one.child.pid}:one`).status).toBe(0);
  const states = (JSON.parse(domu('list', '--json').stdout) as { state: string }[]).map(
    ({ state }) => state.includes('p'),
  );
  expect(states.sort()).toEqual([false, true]);
  expect(domu('pause', `${process.pid}:one`).stderr).toContain('no such domain');

  const image = path('one.save');
  expect(domu('save', '-c', `${two.child.pid}:1`, image).status).toBe(0);
  expect(domu('restore', image, '--name', 'a b').stderr).toContain('without blanks, found "a b"');
  const other = start('restore', '-c', '--name', 'three', image);
  while (domu('list', 'three').status !== 0) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  for (const world of ['three', `${one.child.pid}:one`, 'one']) {
    expect(domu('destroy', world).status).toBe(0);
  }
  await Promise.all([one.ended, two.ended, other.ended]);
  expect(readdirSync(folder)).toEqual([]);
});

test('list removes the socket of a world that was killed', async () => {
  const killed = start('create', '-c', config);
  await killed.booted;
  killed.child.kill('SIGKILL');
  await killed.ended;
  const left = [`${killed.child.pid}.sock`];
  const socket = join(folder, `${killed.child.pid}.sock`);
  expect(readdirSync(folder)).toEqual(left);
  // One that was made just now may be a world's that is about to listen.
  utimesSync(socket, new Date(), new Date());
  expect(domu('list').stdout).not.toContain('one');
  expect(readdirSync(folder)).toEqual(left);
  utimesSync(socket, 1, 1);
  expect(domu('list').stdout).not.toContain('one');
  expect(readdirSync(folder)).toEqual([]);
});
