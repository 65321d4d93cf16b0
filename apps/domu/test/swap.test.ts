/*
 * Programs that together want more memory than there is, and disks for what is not in use: nobody fails while a page can go to one.
 */
import { type MemoryDisk, memoryDisk } from '@tooling/testbed';
import { describe, expect, test } from 'vitest';
import { amnesiac, guest } from './cycle.ts';
import { MIB } from './disk-programs.ts';
import { runWorkload } from './workload.ts';

const KILLED = / \(vmstress\), uid 0 killed: out of swap\n/g;

/** A disk whose writes fail after so many of them, or whose reads all do. */
const failing = (size: number, good: number, reads = true): MemoryDisk => {
  const disk = memoryDisk(size);
  let writes = 0;
  return {
    ...disk,
    open: (mode) => {
      const store = disk.open(mode);
      const write = (...args: Parameters<typeof store.write>): void => {
        if (writes++ >= good) throw new Error('the medium is worn out');
        store.write(...args);
      };
      const read = (...args: Parameters<typeof store.read>): void => {
        if (!reads) throw new Error('the medium cannot be read');
        store.read(...args);
      };
      return { ...store, write, read };
    },
  };
};

describe.each([
  ['plain', guest],
  ['amnesia', amnesiac],
])('%s', (_, kernel) => {
  const amnesia = kernel === amnesiac;

  test('UVM-12: programs that fork while others take every page wait, saved meanwhile or not, and all end well', () => {
    const jobs = amnesia ? ['3 1 20 1', '3 1 10 1'] : ['11 2 100 1', '4 0 10 1', '3 2 20 1'];
    const cmdline = `swap=/dev/xbd0 init=sh -c ${jobs.map((j) => `vmstress ${j} & `).join('')}wait; echo status $?`;
    for (const lives of amnesia ? [[60e6]] : [[120e6, 40e6]]) {
      const disks = { xvda: memoryDisk(64 * MIB) };
      const work = { guest: kernel, cmdline, disks, memoryMib: amnesia ? 8 : 16 };
      const { text } = runWorkload(work, lives);
      expect(text.match(/ 0 failed\n/g)?.length).toBe(jobs.length);
      expect(text).toContain('status 0\n');
    }
  });
});

test('UVM-12: programs are started while another fills more memory than there is', () => {
  const cmdline = 'swap=/dev/xbd0 init=sh -c vmstress 24 0 0 & date; date; date; date; wait';
  const { text } = runWorkload({ guest, cmdline, disks: { xvda: memoryDisk(64 * MIB) } });
  expect(text.match(/ UTC /g)?.length).toBe(4);
  expect(text).toContain('vmstress: 6144 pages, 0 children, 0 rounds, 0 failed\n');
});

test('UVM-12, MD-9: when swap is full one program at a time ends as killed, is told of, and the others have its memory', () => {
  const commands = [
    'vmstress 17 0 0; echo status $?',
    'vmstress 5 2 300 & vmstress 5 1 300 & vmstress 2 0 9; wait',
    'vmstress 9 0 0; vmstress 100000',
  ].join('; ');
  const cmdline = `swap=/dev/xbd0 init=sh -c ${commands}`;
  const { text } = runWorkload({ guest, cmdline, disks: { xvda: memoryDisk(4 * MIB) } });
  expect(text).toContain('status 137\n');
  // One alone, and one of six that run together.
  expect(text.match(KILLED)?.length).toBe(2);
  expect(text).toContain('vmstress: 1280 pages, 2 children, 300 rounds, 0 failed\n');
  expect(text).toContain('vmstress: 1280 pages, 1 children, 300 rounds, 1 failed\n');
  expect(text).toContain('vmstress: 512 pages, 0 children, 9 rounds, 0 failed\n');
  expect(text).toContain('vmstress: 2304 pages, 0 children, 0 rounds, 0 failed\n');
  // What nothing could ever make room for is refused, not begun.
  expect(text).toContain('vmstress: mmap: ');
});

test('UVM-13: pages go to every disk that the command line names, and what cannot be used is told', () => {
  const disks = {
    xvda: memoryDisk(3 * MIB),
    xvdb: memoryDisk(3 * MIB),
    xvdc: memoryDisk(4 * MIB),
  };
  const swaps = ['0', '1', '2', '2', '7'].map((unit) => `swap=/dev/xbd${unit}`).join(' ');
  const { text } = runWorkload({
    guest,
    cmdline: `${swaps} init=vmstress 9 1 30`,
    disks,
    readonlyDisks: ['xvdb'],
    memoryMib: 8,
  });
  expect(text.match(/swapctl: .*/g)).toEqual([
    'swapctl: /dev/xbd0, 768 pages',
    'swapctl: /dev/xbd1: Read-only file system',
    'swapctl: /dev/xbd2, 1024 pages',
    'swapctl: /dev/xbd2 is used already',
    'swapctl: no disk /dev/xbd7',
  ]);
  expect(text).toContain('vmstress: 2304 pages, 1 children, 30 rounds, 0 failed\n');
});

test('UVM-13: a swap disk that fails is told of once; whoever needs a page then is killed, and nobody else', () => {
  const disks = { xvda: failing(32 * MIB, 40) };
  const cmdline = 'swap=/dev/xbd0 init=sh -c vmstress 20 0 10; echo status $?; vmstress 6 1 10';
  const { text } = runWorkload({ guest, cmdline, disks });
  expect(text.match(/pagedaemon: swap write to \/dev\/xbd0 failed: -5\n/g)?.length).toBe(1);
  expect(text.match(KILLED)?.length).toBe(1);
  expect(text).toContain('status 137\n');
  expect(text).toContain('vmstress: 1536 pages, 1 children, 10 rounds, 0 failed\n');
});

test('UVM-13: a program whose page cannot be read back ends, with a sentence', () => {
  const disks = { xvda: failing(32 * MIB, Number.POSITIVE_INFINITY, false) };
  const cmdline = 'swap=/dev/xbd0 init=vmstress 14 0 500';
  const { text } = runWorkload({ guest, cmdline, disks });
  expect(text).toContain('uvm_fault: swap read from /dev/xbd0 failed: -5\npid 1 (vmstress): ');
  expect(text).toContain('init exited with status 139\n');
});

test('XBD-20: a disk that is not to be written is not opened for it, and is read', () => {
  const disks = { xvda: memoryDisk(MIB) };
  const cmdline =
    'init=sh -c dd if=/dev/klog of=/dev/xbd0 count=1; cp /dev/xbd0 /dev/xbd0; pattern /dev/xbd0 1 0; sha256 /dev/xbd0; echo status $?';
  const { text } = runWorkload({ guest, cmdline, disks, readonlyDisks: ['xvda'] });
  expect(text.match(/cannot be opened: Read-only file system\n/g)?.length).toBe(3);
  expect(text).toContain('status 0\n');
});
