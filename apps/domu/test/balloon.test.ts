import { createHost, memoryDisk } from '@tooling/testbed';
import { describe, expect, test } from 'vitest';
import { amnesiac, guest } from './cycle.ts';
import { runWorkload } from './workload.ts';

const PAGES_PER_MIB = 256;

describe.each([
  ['plain', guest],
  ['amnesia', amnesiac],
])('%s', (_, kernel) => {
  const pagesOf = (host: ReturnType<typeof createHost>, domid: number): number =>
    host.hv.domctl.getDomainInfo(domid).totPages;

  test('the toolstack’s target is met, down and up, and no page is lost', () => {
    const host = createHost({ mib: 48 });
    const cmdline = 'init=sleep 1000';
    const { elf, engine } = kernel;
    const domid = host.bootKernel({ elf, engine, memoryMib: 16, cmdline });
    host.runFor(50e6);
    const owned = pagesOf(host, domid);
    for (const mib of [10, 6, 12, 16]) {
      host.store.write(`/local/domain/${domid}/memory/target`, String(mib * 1024));
      host.runUntilConsole(domid, `balloon0: ${mib * 1024} KiB\n`);
      host.runFor(1e6);
      expect(pagesOf(host, domid)).toBe(owned - (16 - mib) * PAGES_PER_MIB);
      expect(host.audit()).toEqual([]);
    }
  });

  test('pages that a network back end has are not the balloon’s to fill, and come back when it goes', () => {
    const host = createHost({ mib: 48, netFeatures: { rxCopy: false } });
    const cmdline = 'xennet0=10.9.0.1/24 init=sleep 1000';
    const { elf, engine } = kernel;
    const nics = ['00:16:3e:00:00:01'];
    const domid = host.bootKernel({ elf, engine, memoryMib: 16, cmdline, nics });
    host.runUntilConsole(domid, ', page flipping\n');
    host.runFor(50e6);
    const owned = pagesOf(host, domid);
    expect(owned).toBe(16 * PAGES_PER_MIB - 256);
    for (const mib of [8, 16]) {
      host.store.write(`/local/domain/${domid}/memory/target`, String(mib * 1024));
      host.runUntilConsole(domid, `balloon0: ${mib * 1024} KiB\n`);
      host.runFor(1e6);
      expect(pagesOf(host, domid)).toBe(owned - (16 - mib) * PAGES_PER_MIB);
    }
    const back = `/local/domain/0/backend/vif/${domid}/0`;
    host.store.write(`${back}/online`, '0');
    host.store.write(`${back}/state`, '5');
    host.runUntilConsole(domid, 'xennet0: detached\n');
    host.runFor(1e6);
    expect(pagesOf(host, domid)).toBe(16 * PAGES_PER_MIB);
    expect(host.audit()).toEqual([]);
  });

  test('a target beyond what is possible is met as far as it is', () => {
    const host = createHost({ mib: 48 });
    const { elf, engine } = kernel;
    const domid = host.bootKernel({ elf, engine, memoryMib: 16, cmdline: 'init=sleep 1000' });
    host.runFor(50e6);
    const target = `/local/domain/${domid}/memory/target`;
    host.store.write(target, '5120');
    host.runUntilConsole(domid, 'balloon0: 5120 KiB\n');
    host.store.write(target, String(64 * 1024));
    host.runUntilConsole(domid, 'balloon0: 16384 KiB\n');
    host.store.write(target, '4');
    host.runUntilConsole(domid, 'KiB, 1280 KiB cannot be had yet\n');
    host.store.write(target, '16384');
    host.runUntilConsole(domid, 'balloon0: 16384 KiB\n');
    expect(host.audit()).toEqual([]);
  });

  test('a ballooned domain is saved with what it has, goes on, and takes the rest again', () => {
    const work = {
      guest: kernel,
      cmdline: 'init=sh -c balloon 7; vmstress 1 1 300; sleep 1; balloon 12; sysctl vm.uvmexp2',
      disks: {},
    };
    for (const lives of [[20e6], [30e6, 500e6]]) {
      const { text } = runWorkload(work, lives);
      expect(text).toContain('balloon: 7168 KiB of 7168 KiB\n');
      expect(text).toContain('balloon: 12288 KiB of 12288 KiB\n');
      expect(text).toContain('256 pages, 1 children, 300 rounds, 0 failed\n');
      expect(text).toContain(`npages = ${12 * PAGES_PER_MIB}`);
    }
  });

  test('a save at any moment of the balloon’s work', () => {
    const cmdline = 'init=sh -c balloon 6; balloon 16; balloon 8; sleep 1';
    for (let at_ns = 1e6; at_ns < 8e6; at_ns += amnesiac === kernel ? 2.1e6 : 1.1e6) {
      const { text } = runWorkload({ guest: kernel, cmdline, disks: {} }, [at_ns, 0.7e6]);
      for (const mib of [6, 16, 8]) {
        expect(text).toContain(`balloon: ${mib * 1024} KiB of ${mib * 1024} KiB\n`);
      }
    }
  });

  test('memory that programs use goes to swap when the balloon wants it', () => {
    const disks = { xvda: memoryDisk(16 << 20) };
    const cmdline =
      'swap=/dev/xbd0 init=sh -c vmstress 7 1 1000 & sleep 1; balloon 8; wait; echo status $?';
    const { text } = runWorkload({ guest: kernel, cmdline, disks });
    expect(text).toContain('balloon: 8192 KiB of 8192 KiB\n');
    expect(text).toContain('status 0\n');
  });
});
