import { memoryDisk, type TestHost } from '@tooling/testbed';
import { describe, expect, test } from 'vitest';
import { amnesiac, guest, randomBytes } from './cycle.ts';
import {
  copyOverAndOver,
  MIB,
  patternOf,
  promised,
  sha256Of,
  swapping,
  threeAtOnce,
} from './disk-programs.ts';
import { runWorkload } from './workload.ts';

describe.each([
  ['plain', guest, 1],
  ['amnesia', amnesiac, 4],
])('%s', (_, kernel, coarse) => {
  test('cp copies a disk, saved wherever it is', () => {
    copyOverAndOver(kernel, coarse * 3.7e6);
  });

  test('pattern’s disk holds what it says, saved wherever it is', () => {
    for (const text of patternOf(kernel, coarse > 1 ? [0.5] : [0.1, 0.5, 0.9])) {
      expect(text).toMatch(/ [1-9]\d* flushes, [1-9]\d* barriers/);
    }
  });

  test('pattern goes on without barriers where a host has none', () => {
    const disk = memoryDisk(MIB / 4);
    const onHost = (host: TestHost, domid: number, life: number): void => {
      if (life === 0) return;
      const node = `/local/domain/0/backend/vbd/${domid}/51712/feature-barrier`;
      host.runUntil('the back end to say what it has', () => host.store.tryRead(node) === '1');
      host.store.write(node, '0');
    };
    const work = { guest: kernel, cmdline: 'init=pattern /dev/xbd0 3 2', disks: { xvda: disk } };
    const { last_ns, text: whole } = runWorkload({ ...work, disks: { xvda: memoryDisk(MIB / 4) } });
    const { text } = runWorkload({ ...work, onHost }, [last_ns / 2]);
    const barriers = (said: string): number => Number(/(\d+) barriers/.exec(said)?.[1]);
    expect(barriers(text)).toBeGreaterThan(0);
    expect(barriers(text)).toBeLessThan(barriers(whole));
    expect(sha256Of(disk.flushed())).toBe(promised(text));
  });

  test('KERN-28: what dd writes with oflag=dsync is on the medium block by block', () => {
    const source = randomBytes(MIB / 8, 5);
    const disks = { xvda: memoryDisk(source.slice()), xvdb: memoryDisk(MIB / 8) };
    const operations: number[] = [];
    const onHost = (host: TestHost): void => {
      host.sim.trace.listen((_kind, _domid, [name, , operation]) => {
        if (name === 'blk-request') operations.push(Number(operation));
      });
    };
    const command = 'dd if=/dev/xbd0 of=/dev/xbd1 bs=32k oflag=dsync';
    const cmdline = `init=sh -c ${command}; echo status $?`;
    const { text } = runWorkload({ guest: kernel, cmdline, disks, onHost });
    expect(text).toContain('4+0 records in\n4+0 records out\n131072 bytes transferred\nstatus 0\n');
    const [read, barrier, flush] = [0, 2, 3];
    expect(operations).toEqual([...Array(4).fill([read, barrier]).flat(), flush]);
    expect(sha256Of(disks.xvdb.flushed())).toBe(sha256Of(source));
  });

  test('pattern tells a block that somebody changed', () => {
    const disk = memoryDisk(MIB / 4);
    const { bytes } = disk;
    const work = {
      guest: kernel,
      cmdline: 'init=sh -c pattern /dev/xbd0 1 0',
      disks: { xvda: disk },
    };
    expect(runWorkload(work).text).toContain('pattern: 64 blocks');
    const again = memoryDisk(bytes.slice());
    let spoilt = false;
    const spoiling = {
      ...again,
      open: (mode: 'r' | 'w') => {
        const store = again.open(mode);
        const flush = (): void => {
          store.flush();
          // Between the last write and the last reading: the flush is the only one with enough behind it.
          if (!spoilt && again.bytes[4096 * 9 + 16] === 1 && again.bytes[4096 * 3 + 16] === 1) {
            again.bytes[4096 * 9 + 100] = (again.bytes[4096 * 9 + 100] as number) ^ 1;
            spoilt = true;
          }
        };
        return { ...store, flush };
      },
    };
    const cmdline = 'init=sh -c pattern /dev/xbd0 1 0; echo status $?';
    const { text } = runWorkload({ guest: kernel, cmdline, disks: { xvda: spoiling } });
    expect(spoilt).toBe(true);
    expect(text).toMatch(/pattern: (at the end, )?block 9 differs from byte 100 on/);
    expect(text).toContain('status 1\n');
  });

  test('three at a time from sh, saved among them, end as they would have', () => {
    const alone = threeAtOnce(kernel);
    for (const part of coarse > 1 ? [0.4] : [0.2, 0.7]) {
      const { text } = threeAtOnce(kernel, [part * alone.last_ns, 3e6]);
      expect(text).toContain('[1] Running pattern /dev/xbd1 5 1\n');
      expect(promised(text)).toBe(promised(alone.text));
    }
  });

  test('more memory than there is: pages go to the swap disk and come back, also when they travel at a save', () => {
    for (const start_ns of coarse > 1 ? [150e6] : [60e6, 200e6]) swapping(kernel, start_ns);
  });

  test('without swap, a program that wants more than there is ends, and the domain lives on', () => {
    const cmdline = 'init=sh -c vmstress 20; echo status $?';
    const { text } = runWorkload({ guest: kernel, cmdline, disks: {} });
    expect(text).toContain('UVM: pid 2 (vmstress), uid 0 killed: out of swap\n');
    expect(text).toContain('status 137\n');
  });

  test('UVM-1, MD-10: what forks, programs and faults that failed for want of memory had taken is given back', () => {
    const tight = 'vmstress 12 2 60';
    const commands = `${tight}; nix; sysctl vm.uvmexp2; ${tight}; ${tight}; nix; sysctl vm.uvmexp2`;
    const { text } = runWorkload({ guest: kernel, cmdline: `init=sh -c ${commands}`, disks: {} });
    expect(text).toMatch(/killed: out of swap|fork: Cannot allocate memory/);
    const free = [...text.matchAll(/npages = 4096, free = (\d+)/g)].map((match) =>
      Number(match[1]),
    );
    expect(free.length).toBe(2);
    expect(free[1]).toBe(free[0]);
  });
});
