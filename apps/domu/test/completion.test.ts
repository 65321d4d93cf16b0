/*
 * What a Tab does in a real bash, at a terminal.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configure, domu as run, scratch } from './domu.ts';

const path = scratch();
const environment = { XDG_RUNTIME_DIR: path('run') };
const bin = fileURLToPath(new URL('../bin/domu', import.meta.url));
const env = { ...process.env, ...environment, TERM: 'dumb', PS1: '$ ' };

const settings = { extra: 'init=counter', name: 'busy-guest' };
const world = spawn(bin, ['create', '-c', configure(path('busy.cfg'), settings)], { env });
const booted = new Promise<void>((settle) => {
  world.stdout.on('data', (bytes: Buffer) => bytes.includes('counter 1 ') && settle());
});
mkdirSync(path('run'));
writeFileSync(path('saved.save'), '');
writeFileSync(path('other.save'), '');
beforeAll(() => booted);
afterAll(() => world.kill('SIGKILL'));

/** Types keys at a bash that has no bash-completion, Tabs among them, each after what was before it was echoed. @returns what it says */
const typed = (...lines: readonly string[]): Promise<string> =>
  new Promise((settle, fail) => {
    // Without a bell; a line is cleared instead of run, after what it became was printed.
    const rc = path('bashrc');
    writeFileSync(
      rc,
      `source <(${bin} complete bash)\nbind 'set bell-style none'\ndomu() { echo "ran: $*."; }\n`,
    );
    const bash = spawn('script', ['-qec', `bash --noprofile --rcfile ${rc} -i`, '/dev/null'], {
      env,
      cwd: path('.'),
    });
    let said = '';
    bash.stdout.on('data', (bytes: Buffer) => {
      said += bytes.toString();
    });
    bash.on('error', fail);
    bash.on('close', () => settle(said));
    bash.stdin.write(`${lines.join('\n')}\nexit\n`);
  });

test('bash completes commands, flags, files and running domains’ names, with nothing but itself', async () => {
  const said = await typed(
    'domu resto\tx',
    'domu restore sa\tx',
    'domu create --save oth\tx',
    'domu create --save=oth\tx',
    'domu image show saved.save oth\tx',
    'domu console bu\tx',
    'domu save bu\tsa\tx',
    'domu demo --interface=xen-2\tx',
    'domu image di\tx',
    'domu mem-set busy-guest sa\tx',
  );
  expect(said.replaceAll('\r', '').match(/^ran: .*\.$/gm)).toEqual([
    'ran: restore x.',
    'ran: restore saved.save x.',
    'ran: create --save other.save x.',
    'ran: create --save=other.save x.',
    'ran: image show saved.save other.save x.',
    'ran: console busy-guest x.',
    'ran: save busy-guest saved.save x.',
    'ran: demo --interface=xen-2.0 x.',
    'ran: image diff x.',
    'ran: mem-set busy-guest sax.',
  ]);
  expect(said).not.toContain('not found');
});

test('a script for every shell names the program by its path', () => {
  for (const shell of ['bash', 'zsh', 'fish', 'powershell']) {
    const { status, stdout } = run('complete', shell);
    expect([status, stdout.includes(`${bin} complete`)], shell).toEqual([0, true]);
  }
});
