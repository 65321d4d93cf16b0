import { createHost, memoryDisk } from '@tooling/testbed';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BLOCK_SIZE, patternBlock, patternFault } from '../src/programs/pattern-block.ts';
import { parseKill } from '../src/programs/sh-kill.ts';
import { parseLine } from '../src/programs/sh-parse.ts';
import { amnesiac, guest } from './cycle.ts';
import { runWorkload } from './workload.ts';

describe('a line for sh', () => {
  const command = (words: string[], background = false, after = ';') => ({
    words,
    background,
    after,
  });

  test('is commands of words', () => {
    expect(parseLine('echo a  b; sleep 1 & wait # and so on').commands).toEqual([
      command(['echo', 'a', 'b']),
      command(['sleep', '1'], true),
      command(['wait']),
    ]);
  });

  test('keeps what stands in quotes together', () => {
    expect(parseLine(`echo 'a ; b' "c & d"e '' x#y '>' "a|b" '&&'`).commands).toEqual([
      command(['echo', 'a ; b', 'c & de', '', 'x#y', '>', 'a|b', '&&']),
    ]);
  });

  test('without anything in it is no command', () => {
    for (const line of ['', '   ', ';;', ' & ; ', '# nothing']) {
      expect(parseLine(line)).toEqual({ commands: [], wrong: '' });
    }
  });

  test('joins commands by what the one before has to be', () => {
    expect(parseLine('a&&b || c; d').commands).toEqual([
      command(['a']),
      command(['b'], false, '&&'),
      command(['c'], false, '||'),
      command(['d']),
    ]);
  });

  test('has the last status where it asks for it, but not in single quotes', () => {
    expect(parseLine(`echo $? "s $?" '$?' a$?b`, 12).commands).toEqual([
      command(['echo', '12', 's 12', '$?', 'a12b']),
    ]);
  });

  test('that asks for what this shell has not is refused, with its name', () => {
    const wrong: [line: string, sentence: string][] = [
      ['a | b', '| is nothing'],
      ['a > /dev/xbd0', '> is nothing'],
      ['a >> b', '>> is nothing'],
      ['a <b', '< is nothing'],
      ['a &&', 'expected a command after &&'],
      ['a || ; b', 'expected a command after ||'],
      ['&& a', 'expected a command before &&'],
      ['a && b &', 'commands joined by && cannot run in the background'],
      ["echo 'a b", "expected ' after 'a b"],
      ['echo a"', 'expected " after "'],
    ];
    for (const [line, sentence] of wrong) {
      const read = parseLine(line);
      expect([line, read.wrong]).toEqual([line, expect.stringContaining(sentence)]);
      expect(read.commands).toEqual([]);
    }
  });

  test('of quoted words gives the words back', () => {
    const word = fc.string().map((text) => text.replaceAll("'", ''));
    fc.assert(
      fc.property(
        fc.array(word, { minLength: 1, maxLength: 6 }),
        fc.boolean(),
        (words, background) => {
          const line = words.map((text) => `'${text}'`).join(' ') + (background ? ' &' : '');
          expect(parseLine(line).commands).toEqual([command(words, background)]);
        },
      ),
    );
  });
});

describe('what kill is asked for', () => {
  test('is a signal that ends, and whom', () => {
    const ask = (line: string) => parseKill(line.split(' '));
    expect(ask('%1 7')).toEqual({ signal: 15, targets: ['%1', '7'], wrong: '' });
    for (const line of ['-9 7', '-KILL 7', '-SIGKILL 7', '-kill 7', '-s KILL 7', '-s 9 7']) {
      expect(ask(line)).toEqual({ signal: 9, targets: ['7'], wrong: '' });
    }
    expect(ask('-0 7').signal).toBe(0);
  });

  test('is refused in words where it is none', () => {
    expect(parseKill([]).wrong).toContain('usage: kill');
    expect(parseKill(['-9']).wrong).toContain('usage: kill');
    expect(parseKill(['abc']).wrong).toContain('abc: expected a process');
    expect(parseKill(['-STOP', '7']).wrong).toContain('STOP: no signal that ends a process');
    expect(parseKill(['-99', '7']).wrong).toContain('99: no signal');
  });
});

test('a pattern’s block tells what it is not', () => {
  const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  fc.assert(
    fc.property(
      u32,
      fc.nat(2 ** 31 - 1),
      fc.nat(255),
      fc.nat(BLOCK_SIZE - 1),
      fc.integer({ min: 1, max: 255 }),
      (seed, block, generation, at, by) => {
        const whole = patternBlock(seed, block, generation);
        expect(patternFault(whole, seed, block, generation)).toBe('');
        expect(patternFault(whole, seed, block, generation + 1)).toContain('generation');
        expect(patternFault(whole, seed, block + 1, generation)).toContain(`is block ${block}`);
        expect(patternFault(whole, (seed + 1) >>> 0, block, generation)).toBe(`is of seed ${seed}`);
        whole[at] = (whole[at] as number) ^ by;
        expect(patternFault(whole, seed, block, generation)).not.toBe('');
      },
    ),
  );
  expect(patternFault(new Uint8Array(BLOCK_SIZE), 1, 1, 1)).toBe('is no block of a pattern');
});

describe('sh -c', () => {
  /** Runs commands to their end. @returns what the shell and its programs print */
  const run = (commands: string): string => {
    const { text } = runWorkload({ guest, cmdline: `init=sh -c ${commands}; exit 0`, disks: {} });
    return text.slice(text.indexOf('balloon0:')).replace(/^.*\n/, '');
  };

  test('takes as many words as a line has', () => {
    const words = Array.from({ length: 100 }, (_, i) => i).join(' ');
    expect(run(`echo ${words}`)).toContain(`${words}\n`);
  });

  test('does what && and || ask for', () => {
    const text = run('false && echo no || echo yes; true && echo good; nix && echo bad; echo $?');
    expect(text).toBe('yes\ngood\nsh: nix: not found\n127\n');
  });

  test('jobs that have ended hinder nobody and are told of once', () => {
    expect(run('sleep 1 & sleep 2; jobs; jobs; echo $?')).toMatch(
      /^\[1\] \d+\n\[1\] Done sleep 1\n0\n$/,
    );
    // Twelve at a time are room for thirteen, one after the other; the failure of one is not forgotten.
    const text = run(`${'nix & '.repeat(12)}sleep 1; sleep 9 & jobs; wait; echo $?`);
    expect(text).toContain('[13] Running sleep 9\n[13] Done sleep 9\n127\n');
  });

  test('wait waits for the job that is named; kill takes more than one', () => {
    const text = run(
      'sleep 9 & nix & sleep 1 & wait %3; wait %2; echo $?; jobs; kill -9 %1 %7; echo $?; wait; echo $?; wait 7; echo $?',
    );
    expect(text).toContain('[3] Done sleep 1\n[2] Exit 127 nix\n127\n[1] Running sleep 9\n');
    expect(text).toContain('sh: kill: %7: No such job\n1\n[1] Exit 137 sleep 9\n137\n');
    expect(text).toContain('sh: wait: 7: no job of this shell\n127\n');
  });

  test.each([
    ['echo a > b; echo c', 'sh: > is nothing that this shell does; in quotes it is a word\n'],
    [`echo ${'x'.repeat(600)}`, 'sh: expected at most 511 characters in a line, found 613\n'],
  ])('does nothing of a line that is wrong: %s', (line, sentence) => {
    const host = createHost({ mib: 48 });
    const { elf, engine } = guest;
    const cmdline = `init=sh -c ${line}; exit 0`;
    const domid = host.bootKernel({ elf, engine, memoryMib: 16, disks: {}, cmdline });
    host.runUntilConsole(domid, `${sentence}init exited with status 2\n`);
    expect(host.consoleText(domid)).not.toContain('\nc\n');
  });
});

describe.each([
  ['plain', guest],
  ['amnesia', amnesiac],
])('%s: sh on the console', (_, kernel) => {
  const boot = () => {
    const host = createHost({ mib: 48 });
    const { elf, engine } = kernel;
    const disks = { xvda: memoryDisk(1 << 18) };
    const domid = host.bootKernel({ elf, engine, memoryMib: 16, disks, cmdline: 'init=sh' });
    host.runUntilConsole(domid, '$ ');
    const type = (text: string): void => {
      expect(host.consoled.input(domid, Buffer.from(text, 'latin1'))).toBe(text.length);
    };
    return { host, domid, type, disks };
  };

  test('KERN-30: does what is typed, shows it, ends others by signals, and ends by exit', () => {
    const { host, domid, type } = boot();
    type('echo hellp\x7fo there\r');
    host.runUntilConsole(domid, 'echo hellp\b \bo there\nhello there\n$ ');
    type('nonsense\x15echo $?; nix; echo $?\n');
    host.runUntilConsole(domid, '0\nsh: nix: not found\n127\n$ ');
    type('sleep 1 &\njobs\n');
    host.runUntilConsole(domid, '[1] ');
    host.runUntilConsole(domid, '[1] Running sleep 1\n$ ');
    host.runFor(1.2e9);
    type('\n');
    host.runUntilConsole(domid, '[1] Done sleep 1\n$ ');
    type('dd if=/dev/xbd0 of=/dev/xbd0 bs=1k count=4\n');
    host.runUntilConsole(domid, '4+0 records in\n4+0 records out\n4096 bytes transferred\n$ ');
    type('dmesg; cat /dev/nix /dev/klog; sysctl hw\n');
    host.runUntilConsole(domid, 'port-xen: xen-3.0');
    host.runUntilConsole(
      domid,
      'cat: /dev/nix cannot be read: No such file or directory\nport-xen: xen-3.0',
    );
    host.runUntilConsole(domid, 'hw.physmem64 = 16777216\n$ ');
    type('sleep 100 & counter & kill %3; kill 1; kill 99; kill x\n');
    host.runUntilConsole(
      domid,
      'sh: kill: 1: Operation not permitted\nsh: kill: 99: No such process\nsh: kill: x: expected',
    );
    type('kill %2; wait; echo $?; jobs\n');
    host.runUntilConsole(domid, '[3] Exit 143 counter\n');
    host.runUntilConsole(domid, '[2] Exit 143 sleep 100\n143\n$ ');
    // One that waits for the console, and one that works.
    type('cat & vmstress 1 1 1000000 & kill %4; kill %5; wait; echo $?\n');
    host.runUntilConsole(domid, '[4] Exit 143 cat\n');
    host.runUntilConsole(domid, '[5] Exit 143 vmstress 1 1 1000000\n143\n$ ');
    // Beyond a line's room nothing is kept, and what was typed there can be taken back.
    const long = 'x'.repeat(600);
    const typed = (text: string): void => {
      for (let at = 0; at < text.length; at += 100) {
        type(text.slice(at, at + 100));
        host.runFor(5e6);
      }
    };
    typed(`echo ${long}\n`);
    host.runUntilConsole(domid, 'sh: expected at most 511 characters in a line, found 605\n$ ');
    typed(`echo ${long}${'\x7f'.repeat(600)}short\n`);
    host.runUntilConsole(domid, '\nshort\n$ ');
    type('exit 3x; exit 3\n');
    host.runUntilConsole(domid, 'sh: exit: 3x: expected a number\n');
    host.runUntilConsole(domid, 'init exited with status 3\n');
    expect(host.audit()).toEqual([]);
  });

  test('what is typed while it is saved and restored is neither lost nor doubled', () => {
    const { host, domid, type, disks } = boot();
    const line = 'echo the quick brown fox jumps over the lazy dog\n';
    type(line.slice(0, 9));
    host.runFor(5e6);
    // These come so late that the guest has no time to take them.
    type(line.slice(9, 20));
    const image = host.saveToBytes(domid);
    const there = createHost({ mib: 48, slot: 4, seed: 5 });
    const again = there.restoreFromBytes(image, kernel.engine, { disks });
    const rest = Buffer.from(line.slice(20), 'latin1');
    let typed = 0;
    there.runUntil('the console to take it', () => {
      typed += there.consoled.input(again, rest.subarray(typed));
      return typed === rest.length;
    });
    there.runUntilConsole(again, '\nthe quick brown fox jumps over the lazy dog\n$ ');
    const shown = host.consoleText(domid) + there.consoleText(again);
    const kernelLines =
      /(?:xenbus0|suspend|xbd0|hypervisor0|resume|clock|xencons0|balloon0): .*\n|domain resumed\n/g;
    const letters = shown.replaceAll(kernelLines, '');
    expect(letters.replaceAll('\n', '')).toContain(line.trimEnd());
  });
});
