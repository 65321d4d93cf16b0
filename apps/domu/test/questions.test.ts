import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Pmap } from '@port-xen/pmap';
import { expect, test, vi } from 'vitest';
import { commandOutput } from '../src/questions/command-output.ts';
import { withOutput } from '../src/questions/pages.ts';
import { ANSWERS } from '../src/questions/question-command.ts';
import { REGISTRATIONS } from '../src/questions/registrations.ts';
import { placesOf } from '../src/questions/start-of-day.ts';
import { liveTwice } from '../src/questions/two-lives.ts';

const docs = fileURLToPath(new URL('../../../docs/questions/', import.meta.url));
const lives = liveTwice();

test.each(globSync('[1-5]-*.md', { cwd: docs }))('%s shows what its command prints', (name) => {
  const page = readFileSync(docs + name, 'utf8');
  const now = withOutput(page, (command) => commandOutput(lives, command));
  expect(page, 'run `npm run pnpm -- pages` and read what changed').toBe(now);
});

test('nothing that names a frame of the old host is left after the resume', () => {
  const answer = ANSWERS['1']?.(() => lives) ?? '';
  expect(answer).toContain('P2M frame list');
  expect(answer).not.toContain('left behind');
});

test('an L4 that names itself travels as any table does: no kernel for amd64 has to clear it', () => {
  const clear = vi.spyOn(Pmap.prototype, 'unmapRecursive').mockImplementation(() => {});
  const answer = ANSWERS['1']?.(liveTwice) ?? '';
  clear.mockRestore();
  expect(answer).toMatch(/page tables, L4 +9 +0 +9 +0 +9 +toolstack/);
});

test('what is said to be the same after a restore was something before it', () => {
  const [, context = ''] = (ANSWERS['5']?.(() => lives) ?? '').split('What Xen has of');
  const fields = context
    .split('\n')
    .filter((line) => /as it was|another port|same page/.test(line));
  expect(fields.length).toBeGreaterThan(20);
  expect(fields.filter((line) => / {2}0 {2}/.test(line))).toEqual([]);
});

test('start of day is told to Xen at a boot and not at a restore, connections are asked for at both', () => {
  const calls = (ANSWERS['5']?.(() => lives) ?? '').split('\n');
  const of = (part: string): string[] =>
    calls
      .filter((line) => line.startsWith(part))
      .map((line) => line.split(/ {2,}/).slice(3).join());
  expect(new Set(of('start of day'))).toEqual(new Set(['yes,no']));
  expect(new Set(of('connection to this Xen'))).toEqual(new Set(['yes,yes']));
});

test('a hypercall is made by the package that page 5 names', () => {
  const places = placesOf(lives);
  const [right, wrong] = [new Set<string>(), new Set<string>()];
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 50;
  liveTwice((made) => {
    for (const { by, name, matches } of REGISTRATIONS) {
      if (!matches(made, places)) continue;
      const stack = String(new Error().stack);
      const named = by.split(', ').some((one) => {
        return stack.includes(one === 'fuller' ? '/fuller-kernel.ts' : `/packages/${one}/src/`);
      });
      (named ? right : wrong).add(name);
    }
  });
  Error.stackTraceLimit = limit;
  expect([...wrong]).toEqual([]);
  expect([...right].sort()).toEqual(REGISTRATIONS.map(({ name }) => name).sort());
});

test('a routine that page 3 says a boot, a restore or both run is in its output under that use', () => {
  const page = readFileSync(`${docs}3-attach-resume.md`, 'utf8');
  const [, printed = ''] = (ANSWERS['3']?.(() => lives) ?? '').split('Routines that ran');
  const ran = new Set<string>();
  let [module, use] = ['', ''];
  for (const line of printed.split('\n\n')[1]?.split('\n') ?? []) {
    const [first = '', second = ''] = [line.slice(0, 7).trim(), line.slice(9, 27).trim()];
    if (first !== '') module = first;
    if (second !== '') use = second;
    for (const name of line.slice(27).split(' ')) ran.add(`${module} ${use} ${name}`);
  }
  const said: string[] = [];
  for (const [, of = '', ...cells] of page.matchAll(/^\| (\w+) \|(.*)\|(.*)\|(.*)\|$/gm)) {
    ['boot', 'boot and restore', 'restore'].forEach((when, i) => {
      const names = (cells[i] ?? '').replace(/\(`.*?`\)/g, '').matchAll(/`(.*?)`/g);
      for (const [, name] of names) said.push(`${of} ${when} ${name}`);
    });
  }
  expect(said.length).toBeGreaterThan(20);
  expect(said.filter((one) => !ran.has(one))).toEqual([]);
});

test('a path that page 3 speaks of is one that its command printed', () => {
  const page = readFileSync(`${docs}3-attach-resume.md`, 'utf8');
  const paths = page.replace(/```.*?```/gs, '').match(/\/local\/[^\s`]+/g) ?? [];
  const printed = ANSWERS['3']?.(() => lives) ?? '';
  expect(paths.length).toBeGreaterThan(0);
  expect(paths.filter((path) => !printed.includes(path))).toEqual([]);
});

test('the lines that CONTRIBUTING breaks are those of the source', () => {
  const root = fileURLToPath(new URL('../../../', import.meta.url));
  const page = readFileSync(`${root}CONTRIBUTING.md`, 'utf8');
  const shown = /^ {4}forgetHandles\(.*?^ {4}\}\n/ms.exec(page)?.[0] ?? 'no routine';
  const lines = shown.replace(/^ {2}/gm, '');
  expect(readFileSync(`${root}packages/xbd/src/disk.ts`, 'utf8')).toContain(lines);
});
