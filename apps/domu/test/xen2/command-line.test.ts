/*
 * domu with domains of Xen 2, in processes of their own: the demo, a chain of saves that Xen's verifier takes, the trace hash, and what
 * the user gets wrong.
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { verifyStream } from '@tooling/peers';
import { describe, expect, test } from 'vitest';
import { randomBytes } from '../cycle.ts';
import { configure, domu, lastLine, scratch } from '../domu.ts';

const path = scratch();
const contents = randomBytes(2 * 2 ** 20 + 512, 1);
const digest = createHash('sha256').update(contents).digest('hex');
const disk = path('disk.img');
writeFileSync(disk, contents);
const settings = {
  disk: [`${disk},raw,xvda,r`],
  extra: 'init=sha256 /dev/xbd0',
  interface: 'xen-2.0',
};
const config = configure(path('guest.cfg'), settings);

test('the demo tells the same story to the same digest; its file is one that Xen takes', () => {
  const folder = path('demo');
  const flags = ['--interface', 'xen-2.0', '--memory', '16', '--disk', disk, '--keep', folder];
  const run = domu('demo', ...flags);
  expect(run.stdout).toContain('xen-2.0 domain on Xen');
  expect(run.stdout).toContain(`the guest's   ${digest}\n  sha256sum's   ${digest}\n`);
  expect(run.stdout).toMatch(/slot 3, up .* TSC/);
  expect(run.stdout).toMatch(/slot 4, up .* TSC/);
  expect(run.status).toBe(0);
  expect(verifyStream(`${folder}/demo.save`)).toMatchObject({ accepted: true });
});

test('the full demo, too: two domains on a network, saved at work, and everything is whole in the end', () => {
  const run = domu('demo', '--full', '--interface', 'xen-2.0');
  expect(run.stdout).toContain('xennet0: connected');
  const [before = '', after = ''] = run.stdout.split('Both are in save files.');
  // The hash and the fetch were under way.
  expect(before).not.toMatch(/work +[0-9a-f]{64}/);
  expect(after.match(/work +[0-9a-f]{64}/g)?.length).toBe(2);
  expect(after.match(/^ {2}equal /gm)?.length).toBe(5);
  expect(run.status).toBe(0);
});

test.each([16, 64])(
  'of %d MiB, a chain of ten saves in ten processes ends with the digest; Xen takes every file',
  (memory) => {
    let image = path(`chain-${memory}-0.save`);
    const first = domu('create', config, `memory=${memory}`, '--save', image, '--at', 'io:3');
    expect(first.status, first.stderr).toBe(0);
    for (let i = 1; i < 10; i++) {
      if (i === 1) expect(verifyStream(image), image).toMatchObject({ accepted: true });
      const next = path(`chain-${memory}-${i}.save`);
      const run = domu('restore', image, '--save', next, '--at', `io:${i}`, '--seed', `${i}`);
      expect(run.status, run.stderr).toBe(0);
      image = next;
    }
    expect(verifyStream(image)).toMatchObject({ accepted: true });
    const last = domu('restore', image);
    expect(lastLine(last.stdout)).toBe(digest);
    expect(last.status).toBe(0);
  },
);

describe('the trace hash, of messages too', () => {
  const image = path('hash.save');
  const created = (...flags: string[]): string =>
    lastLine(
      domu('create', config, '--save', image, '--at', 'io:20', '--trace-hash', ...flags).stderr,
    );
  const restored = (...flags: string[]): string =>
    lastLine(domu('restore', image, '--trace-hash', ...flags).stderr);

  test('is the same twice, and in amnesia mode, and another for another seed', () => {
    const one = created();
    expect(one).toMatch(/^trace: [0-9a-f]{64}$/);
    expect(created()).toBe(one);
    expect(created('--amnesia')).toBe(one);
    expect(created('--seed', '6')).not.toBe(one);
  });

  test('is the same for a restore, too', () => {
    const plain = restored();
    expect(plain).toMatch(/^trace: [0-9a-f]{64}$/);
    expect(restored('--amnesia')).toBe(plain);
    expect(restored('--seed', '2')).not.toBe(plain);
  });
});

test('a checkpoint leaves the guest running, and its file does as well', () => {
  const image = path('checkpoint.save');
  const run = domu('create', config, '--save', image, '--at', 'io:10', '--continue');
  expect(run.stdout).toContain('resume: cancelled, the same domain goes on\n');
  expect(lastLine(run.stdout)).toBe(digest);
  expect(run.status).toBe(0);
  expect(lastLine(domu('restore', image).stdout)).toBe(digest);
});

describe('what the user gets wrong is one sentence and exit status 1', () => {
  test.each([
    ['memory=512', /expected memory of at most 256 MiB for a domain of xen-2\.0, found 512 MiB/],
    ['interface="xen-1.2"', /expected interface to be one of xen-3\.0, xen-2\.0, found "xen-1\.2"/],
  ])('%s', (override, sentence) => {
    const run = domu('create', config, override);
    expect(run.stderr).toMatch(sentence);
    expect(run.status).toBe(1);
  });

  test('a slot whose frames its rings cannot name', () => {
    const run = domu('create', config, '--host', 'slot=8');
    expect(run.stderr).toContain(
      'expected --host slot within [0, 7] for a domain of xen-2.0, found 8',
    );
    expect(run.status).toBe(1);
  });

  test('a save file of Xen 2 restored with a configuration of Xen 3; one that says nothing will do', () => {
    const image = path('other.save');
    domu('create', config, '--save', image, '--at', 'io:20');
    const other = configure(path('other.cfg'), { ...settings, interface: 'xen-3.0' });
    const run = domu('restore', other, image);
    expect(run.stderr).toContain(
      `domu: expected interface="xen-2.0", which the domain in ${image} has, found interface="xen-3.0"\n`,
    );
    expect(run.status).toBe(1);
    const { disk: disks, extra } = settings;
    const silent = configure(path('silent.cfg'), { disk: disks, extra });
    expect(lastLine(domu('restore', silent, image).stdout)).toBe(digest);
  });
});
