import { createHash } from 'node:crypto';
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { Random } from '@port-xen/sim';
import { verifyStream } from '@tooling/peers';
import { describe, expect, test } from 'vitest';
import { randomBytes } from './cycle.ts';
import { configure, domu, lastLine, scratch } from './domu.ts';

const path = scratch();
const contents = randomBytes(5 * 2 ** 20 + 512, 1);
const digest = createHash('sha256').update(contents).digest('hex');
const disk = path('disk.img');
writeFileSync(disk, contents);
const config = configure(path('guest.cfg'), {
  disk: [`${disk},raw,xvda,r`],
  extra: 'init=sha256 /dev/xbd0',
});

test('a guest hashes its disk and powers off', () => {
  const run = domu('create', config);
  expect(run.stderr).toBe(`Parsing config from ${config}\n`);
  expect(lastLine(run.stdout)).toBe(digest);
  expect(run.status).toBe(0);
});

test('--version is the package’s', () => {
  const { version } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  ) as { version: string };
  expect(domu('--version')).toMatchObject({ status: 0, stdout: `domu ${version}\n` });
});

test('settings after the file prevail', () => {
  const run = domu('create', config, 'memory=24', 'extra="init=counter 2"');
  expect(run.stdout).toContain('6144 pages (24 MiB)');
  expect(run.stdout).toMatch(/counter 1 up 0\.\d{3} s\ncounter 2 up 1\.\d{3} s\n$/);
  expect(run.status).toBe(0);
});

test('a chain of ten saves in ten processes ends with the digest; Xen takes every file', () => {
  let image = path('chain-0.save');
  const first = domu('create', config, '--save', image, '--at', 'io:3', '--seed', '7');
  expect(first.status).toBe(0);
  expect(first.stderr).toMatch(/Saving to \S+ new xl format \(info 0x3\/0x0\/\d+\)\n/);
  for (let i = 1; i < 10; i++) {
    expect(verifyStream(image), image).toMatchObject({ accepted: true });
    const next = path(`chain-${i}.save`);
    const run = domu('restore', image, '--save', next, '--at', `io:${i}`, '--seed', `${i}`);
    expect(run.status, run.stderr).toBe(0);
    image = next;
  }
  expect(verifyStream(image)).toMatchObject({ accepted: true });
  const last = domu('restore', image);
  expect(last.stderr).toMatch(
    /^Loading new save file \S+ \(new xl fmt info 0x3\/0x0\/\d+\)\n Savefile contains xl domain config in JSON format\nParsing config from <saved>\n$/,
  );
  expect(lastLine(last.stdout)).toBe(digest);
  expect(last.status).toBe(0);
});

test('a chain of 25 saves on hosts drawn at random ends with the digest', () => {
  const random = new Random(25, 'hosts');
  const host = (): string[] => {
    const keys = {
      slot: random.below(64),
      uptime: random.below(5_000_000),
      'tsc-khz': random.between(1_000_000, 5_000_000),
      wallclock: random.between(1_000_000_000, 2_000_000_000),
    };
    return Object.entries(keys).flatMap(([key, value]) => ['--host', `${key}=${value}`]);
  };
  const image = path('random.save');
  const at = ['--at', 'io:5', '--save', image];
  expect(domu('create', config, ...at, ...host()).status).toBe(0);
  for (let i = 1; i < 25; i++) {
    const run = domu('restore', image, ...at, ...host(), '--seed', `${random.below(1000)}`);
    expect(run.status, run.stderr).toBe(0);
  }
  expect(lastLine(domu('restore', image, ...host()).stdout)).toBe(digest);
});

test('a checkpoint leaves the guest running, and its file does as well', () => {
  const image = path('checkpoint.save');
  const run = domu('create', config, '--save', image, '--at', 'io:40', '--continue');
  expect(run.status, run.stderr).toBe(0);
  expect(run.stdout).toContain('resume: cancelled, the same domain goes on');
  expect(lastLine(run.stdout)).toBe(digest);
  expect(lastLine(domu('restore', image).stdout)).toBe(digest);
});

test.each([
  ['ns:20000000', 'ns.save'],
  ['event:200', 'event.save'],
  ['console:xbd0: 5.00 MB', 'console.save'],
])('a save comes at %s', (when, name) => {
  const image = path(name);
  expect(domu('create', config, '--save', image, '--at', when).status).toBe(0);
  expect(lastLine(domu('restore', image).stdout)).toBe(digest);
});

test('a guest that ends before the moment of its save leaves its output, no file, and a sentence', () => {
  const image = path('never.save');
  const run = domu('create', config, '--save', image, '--at', 'io:100000');
  expect(lastLine(run.stdout)).toBe(digest);
  expect(run.stderr).toContain(
    'domu: the guest ended (poweroff) before 100000 block requests were completed: nothing was saved\n',
  );
  expect(run.status).toBe(1);
  expect(existsSync(image) || existsSync(`${image}.partial`)).toBe(false);
});

test('so does one that has shut down and is not destroyed yet', () => {
  const image = path('late.save');
  const [, down_ms] = /([\d.]+) ms .*shut down, poweroff/.exec(
    domu('create', config, '-v').stderr,
  ) as RegExpExecArray;
  const late_ns = Number(down_ms) * 1e6 + 500_000;
  const run = domu('create', config, '--save', image, '--at', `ns:${late_ns}`);
  expect(lastLine(run.stdout)).toBe(digest);
  expect(run.stderr).toContain('domu: the guest ended (poweroff) before ');
  expect(run.stderr).not.toContain('Saving to');
  expect([run.status, existsSync(image)]).toEqual([1, false]);
});

describe('the trace hash', () => {
  const hash = (...flags: string[]): string => {
    const run = domu('create', config, '--trace-hash', ...flags);
    expect(run.status, run.stderr).toBe(0);
    const match = /^trace: ([0-9a-f]{64})$/.exec(lastLine(run.stderr));
    return match?.[1] ?? 'none';
  };
  const one = hash('--seed', '5');

  test('is the same twice, in another process', () => {
    expect(one).not.toBe('none');
    expect(hash('--seed', '5')).toBe(one);
  });

  test('is the same in amnesia mode', () => {
    expect(hash('--seed', '5', '--amnesia')).toBe(one);
  });

  test('is another for another seed', () => {
    expect(hash('--seed', '6')).not.toBe(one);
  });

  test('is the same for a restore, too', () => {
    const image = path('hash.save');
    domu('create', config, '--save', image, '--at', 'io:50');
    const restored = (...flags: string[]) =>
      lastLine(domu('restore', image, '--trace-hash', ...flags).stderr);
    const plain = restored();
    expect(plain).toMatch(/^trace: /);
    expect(restored('--amnesia')).toBe(plain);
    expect(restored('--seed', '2')).not.toBe(plain);
  });
});

describe('what the user gets wrong is one sentence and exit status 1', () => {
  const image = path('good.save');
  domu('create', config, '--save', image, '--at', 'io:50');

  const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
    [
      'no such configuration',
      ['create', path('none.cfg')],
      /Failed to read config file: \S+none\.cfg: No such file or directory$/m,
    ],
    [
      'no such disk',
      ['create', config, `disk=["${path('none.img')},raw,xvda,r"]`],
      /none\.img cannot be opened: No such file or directory$/m,
    ],
    [
      'a folder for a disk',
      ['create', config, 'disk=["/,raw,xvda,r"]'],
      /^domu: disk \/: expected a regular file$/m,
    ],
    [
      'an image of another format',
      ['create', config, `disk=["${disk},qcow2,xvda,w"]`],
      /expected format raw, found qcow2/,
    ],
    [
      'one file for two disks, and written to',
      ['create', config, `disk=["${disk},raw,xvda,r","${disk},raw,xvdb,w"]`],
      /^domu: disk .*: expected a file of its own for xvdb, found xvda's/m,
    ],
    ['an unknown program', ['create', config, 'extra="init=vi"'], /no program "vi"/],
    [
      'a moment that is none',
      ['create', config, '--save', image, '--at', 'noon'],
      /expected --at io:N/,
    ],
    ['a save without a moment', ['create', config, '--save', image], /--save needs --at WHEN/],
    [
      'a slot that is none',
      ['create', config, '--host', 'slot=64'],
      /within \[0, 63\], found "64"/,
    ],
    ['an unknown host key', ['create', config, '--host', 'cpu=3'], /expected --host slot=/],
    ['a seed that is none', ['create', config, '--seed', 'x'], /expected a number below 2\^32/],
    ['too little memory', ['create', config, 'memory=1'], /memory|MiB/],
    ['a kernel of its own', ['create', config, 'kernel="/vmlinuz"'], /leave kernel= out/],
    [
      'no such save file',
      ['restore', path('none.save')],
      /^domu: Can't open \S+: No such file or directory$/m,
    ],
    ['a folder for a save file', ['restore', '/'], /^domu: \/: expected a regular file, which/m],
    ['a device for a save file', ['restore', '/dev/zero'], /expected a regular file, which/],
    ['a demo of a folder', ['demo', '--disk', '/'], /^domu: disk \/: expected a regular file$/m],
    [
      'a demo that cannot be kept',
      ['demo', '--keep', '/dev/null/x'],
      /^domu: nothing can be kept in/m,
    ],
    ['no saves to learn from', ['clock-drift', '--saves', '0'], /expected one or more, found 0/],
    ['no cells to learn from', ['clock-matrix', '--cells', '0'], /expected one or more, found 0/],
    [
      'no save file',
      ['restore', config],
      /File has wrong magic number - corrupt or for a different tool\?/,
    ],
    [
      'an unwritable file',
      ['create', config, '--save', '/nowhere/x', '--at', 'io:5'],
      /Failed to open temp file/,
    ],
    ['an unknown command', ['launch'], /unknown command 'launch'/],
  ];
  test.each(cases)('%s', (_, args, sentence) => {
    const run = domu(...args);
    expect(run.stderr + run.stdout).toMatch(sentence);
    expect(run.stderr).not.toContain('bug in port-xen');
    expect(run.status).toBe(1);
  });

  test('a cut save file', () => {
    const cut = path('cut.save');
    const whole = readFileSync(image);
    for (const length of [20, 60, 800, 5000, whole.length >> 1, whole.length - 1]) {
      writeFileSync(cut, whole);
      truncateSync(cut, length);
      const run = domu('restore', cut);
      expect(run.stderr, `${length}`).not.toContain('bug in port-xen');
      expect(run.status, `${length}: ${run.stderr}`).toBe(1);
    }
  });

  test('a guest of another build', () => {
    const other = path('other.save');
    const bytes = readFileSync(image);
    const note = Buffer.concat([
      Buffer.from([4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0]),
      Buffer.from('GNU\0'),
    ]);
    const at = bytes.indexOf(note);
    expect(at).toBeGreaterThan(0);
    bytes[at + note.length] = (bytes[at + note.length] as number) ^ 1;
    writeFileSync(other, bytes);
    const run = domu('restore', other);
    expect(run.stderr).toMatch(
      /the domain was saved under build [0-9a-f]{40}, and this is build [0-9a-f]{40}/,
    );
    expect(run.status).toBe(1);
  });
});

test('the demo ends with equal digests', () => {
  const run = domu('demo', '--memory', '16', '--disk', disk);
  expect(run.stdout).toContain(`the guest's   ${digest}\n  sha256sum's   ${digest}\n`);
  expect(run.stdout).toMatch(/slot 3, up .* TSC/);
  expect(run.stdout).toMatch(/slot 4, up .* TSC/);
  expect(run.status).toBe(0);
});

test('in the full demo two domains are saved at work, and everything is whole in the end', () => {
  const run = domu('demo', '--full');
  const [before = '', after = ''] = run.stdout.split('Both are in save files.');
  expect(before).toContain('counter 1 up');
  // The hash and the fetch were under way.
  expect(before).not.toMatch(/work +[0-9a-f]{64}/);
  expect(after.match(/work +[0-9a-f]{64}/g)?.length).toBe(2);
  expect(after.match(/^ {2}equal /gm)?.length).toBe(5);
  expect(run.status).toBe(0);
});
