import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { commandOutput } from '../src/questions/command-output.ts';
import { withOutput } from '../src/questions/pages.ts';
import { ANSWERS } from '../src/questions/question-command.ts';
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

test('the lines that CONTRIBUTING breaks are those of the source', () => {
  const root = fileURLToPath(new URL('../../../', import.meta.url));
  const page = readFileSync(`${root}CONTRIBUTING.md`, 'utf8');
  const shown = /^ {4}forgetHandles\(.*?^ {4}\}\n/ms.exec(page)?.[0] ?? 'no routine';
  const lines = shown.replace(/^ {2}/gm, '');
  expect(readFileSync(`${root}packages/xbd/src/disk.ts`, 'utf8')).toContain(lines);
});
