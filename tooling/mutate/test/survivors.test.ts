import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { SURVIVORS } from '../src/survivors.ts';
import { tasksOf } from '../src/tasks.ts';

test('a reason is given for statements that are there', () => {
  const tasks = tasksOf(fileURLToPath(new URL('../../../', import.meta.url)));
  const there = tasks.map(({ folder, statement }) => `${basename(folder)}: ${statement.text}`);
  expect(Object.keys(SURVIVORS).filter((key) => !there.includes(key))).toEqual([]);
});
