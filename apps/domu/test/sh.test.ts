import { createHost, memoryDisk } from '@tooling/testbed';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BLOCK_SIZE, patternBlock, patternFault } from '../src/programs/pattern-block.ts';
import { parseLine } from '../src/programs/sh-parse.ts';
import { amnesiac, guest } from './cycle.ts';

describe('a line for sh', () => {
  test('is commands of words', () => {
    expect(parseLine('echo a  b; sleep 1 & wait # and so on')).toEqual([
      { words: ['echo', 'a', 'b'], background: false },
      { words: ['sleep', '1'], background: true },
      { words: ['wait'], background: false },
    ]);
  });

  test('keeps what stands in quotes together', () => {
    expect(parseLine(`echo 'a ; b' "c & d"e '' x#y`)).toEqual([
      { words: ['echo', 'a ; b', 'c & de', '', 'x#y'], background: false },
    ]);
  });

  test('without anything in it is no command', () => {
    for (const line of ['', '   ', ';;', ' & ; ', '# nothing']) expect(parseLine(line)).toEqual([]);
  });

  test('of quoted words gives the words back', () => {
    const word = fc.string().map((text) => text.replaceAll("'", ''));
    fc.assert(
      fc.property(
        fc.array(word, { minLength: 1, maxLength: 6 }),
        fc.boolean(),
        (words, background) => {
          const line = words.map((text) => `'${text}'`).join(' ') + (background ? ' &' : '');
          expect(parseLine(line)).toEqual([{ words, background }]);
        },
      ),
    );
  });
});

test('a pattern’s block tells what it is not', () => {
  const u32 = fc.integer({ min: 0, max: 2 ** 31 - 1 });
  fc.assert(
    fc.property(
      u32,
      u32,
      fc.nat(255),
      fc.nat(BLOCK_SIZE - 1),
      fc.integer({ min: 1, max: 255 }),
      (seed, block, generation, at, by) => {
        const whole = patternBlock(seed, block, generation);
        expect(patternFault(whole, seed, block, generation)).toBe('');
        expect(patternFault(whole, seed, block, generation + 1)).toContain('generation');
        expect(patternFault(whole, seed, block + 1, generation)).toContain(`is block ${block}`);
        expect(patternFault(whole, seed + 1, block, generation)).toContain('is of seed');
        whole[at] = (whole[at] as number) ^ by;
        expect(patternFault(whole, seed, block, generation)).not.toBe('');
      },
    ),
  );
  expect(patternFault(new Uint8Array(BLOCK_SIZE), 1, 1, 1)).toBe('is no block of a pattern');
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
    host.runUntilConsole(domid, 'cat: /dev/nix cannot be read\nport-xen: xen-3.0');
    host.runUntilConsole(domid, 'hw.physmem64 = 16777216\n$ ');
    type('sleep 100 & counter & kill %3; kill 1; kill 99; kill x\n');
    const error = (number: number): string => `sh: kill: error ${number}\n`;
    host.runUntilConsole(domid, `${error(1)}${error(3)}${error(3)}`);
    type('kill %2; wait; echo $?; jobs\n');
    host.runUntilConsole(domid, '[3] Exit 143 counter\n');
    host.runUntilConsole(domid, '[2] Exit 143 sleep 100\n143\n$ ');
    // One that waits for the console, and one that works.
    type('cat & vmstress 1 1 1000000 & kill %4; kill %5; wait; echo $?\n');
    host.runUntilConsole(domid, '[4] Exit 143 cat\n');
    host.runUntilConsole(domid, '[5] Exit 143 vmstress 1 1 1000000\n143\n$ ');
    type('exit 3\n');
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
