import { createHash } from 'node:crypto';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { randomBytes } from '../cycle.ts';
import { configure, domu, domuAfter, lastLine, scratch } from '../domu.ts';

const path = scratch();
const contents = randomBytes(2 ** 20, 1);
const digest = createHash('sha256').update(contents).digest('hex');
const disk = path('disk.img');
writeFileSync(disk, contents);
const config = configure(path('guest.cfg'), {
  memory: 8,
  disk: [`${disk},raw,xvda,r`],
  extra: 'init=sha256 /dev/xbd0',
});

const NOT_SAVED = 'domu: the guest went on to its end (poweroff): nothing was saved';

describe('a save that cannot be written', () => {
  test('on a full device: the guest goes on to its end, and the exit status is 1', () => {
    const run = domu('create', config, '--save', '/dev/full', '--at', 'io:10');
    expect(lastLine(run.stdout)).toBe(digest);
    expect(run.stdout).toContain('resume: cancelled, the same domain goes on');
    expect(run.stderr).toContain(
      '/dev/full: No space left on device\nFailed to save domain, resuming domain\n',
    );
    expect(run.stderr.match(/No space left/g)).toHaveLength(1);
    expect(lastLine(run.stderr)).toBe(NOT_SAVED);
    expect(run.status).toBe(1);
    expect(statSync('/dev/full').isCharacterDevice()).toBe(true);
  });

  test.each([0, 1, 2000, 8000])('with %d KiB left: nothing is left of the file', (kib) => {
    const image = path('no-room.save');
    const limit = `trap '' XFSZ; ulimit -f ${2 * kib}`;
    const run = domuAfter(limit, 'create', config, '--save', image, '--at', 'io:10');
    expect(lastLine(run.stdout)).toBe(digest);
    expect(run.stderr.match(/no-room\.save: File too large$/gm)).toHaveLength(1);
    expect(lastLine(run.stderr)).toBe(NOT_SAVED);
    expect(run.status).toBe(1);
    expect(readdirSync(join(image, '..')).filter((name) => name.includes('no-room'))).toEqual([]);
  });

  test('into a pipe whose reader goes away: the same', () => {
    const pipe = path('pipe');
    const reader = `mkfifo ${pipe}; head -c 100000 ${pipe} > /dev/null &`;
    const run = domuAfter(reader, 'create', config, '--save', pipe, '--at', 'io:10');
    expect(lastLine(run.stdout)).toBe(digest);
    expect(run.stderr.match(/pipe: Broken pipe$/gm)).toHaveLength(1);
    expect(lastLine(run.stderr)).toBe(NOT_SAVED);
    expect(run.status).toBe(1);
  });

  test('into a pipe that is read to the end: the file is what came out', () => {
    const [pipe, image] = [path('whole-pipe'), path('whole.save')];
    const reader = `mkfifo ${pipe}; cat ${pipe} > ${image} &`;
    const run = domuAfter(reader, 'create', config, '--save', pipe, '--at', 'io:10');
    expect(run.status, run.stderr).toBe(0);
    expect(lastLine(domu('restore', image).stdout)).toBe(digest);
  });

  test('where no file can be made: the guest is not asked to suspend', () => {
    const run = domu('create', config, '--save', '/nowhere/x.save', '--at', 'io:10');
    expect(lastLine(run.stdout)).toBe(digest);
    expect(run.stdout).not.toContain('asked to suspend');
    expect(
      run.stderr.match(/^Failed to open temp file \/nowhere\/x\.save.*: No such/gm),
    ).toHaveLength(1);
    expect(lastLine(run.stderr)).toBe(NOT_SAVED);
    expect(run.status).toBe(1);
  });
});
