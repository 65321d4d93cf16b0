import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

test('the example in README.md prints what it says', () => {
  const folder = fileURLToPath(new URL('..', import.meta.url));
  const readme = readFileSync(`${folder}/README.md`, 'utf8');
  const code = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? '';
  const expected = [...code.matchAll(/^\/\/ (example|xl .*)$/gm)].map(([, line]) => line);
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module-typescript', '--eval', code],
    { cwd: folder, encoding: 'utf8' },
  );
  expect(expected).toHaveLength(2);
  expect(stdout, stderr).toBe(`${expected.join('\n')}\n`);
});
