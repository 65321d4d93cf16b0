import { createHost } from '@tooling/testbed';
import { describe, expect, test } from 'vitest';
import { fuzzer } from './fuzzer.ts';
import { machdepKernel } from './machdep-kernel.ts';

describe.each([
  ['plain', false, 6],
  ['amnesia', true, 2],
])('%s', (_, amnesia, seeds) => {
  const { elf, engine } = machdepKernel({ programs: [fuzzer], amnesia });

  test('KERN-13, MD-9: no system call, whatever its arguments, is more than an error or the program’s end', () => {
    for (let seed = 1; seed <= seeds; seed++) {
      const host = createHost({ mib: 48 });
      const cmdline = `init=fuzzer ${seed} 1500`;
      const domid = host.bootKernel({ elf, engine, cmdline, memoryMib: 16 });
      let reason: number | undefined;
      host.xl.onExit((_domid, why) => {
        reason = why;
      });
      host.runUntil('the fuzzer to end', () => reason !== undefined, 600e9);
      const text = host.consoleText(domid);
      const last = text.slice(-300);
      expect([seed, reason, last]).toEqual([seed, 0, last]);
      expect(text).toMatch(/fuzzer: 1500 calls, many failed|init exited with status 139/);
      expect(host.audit()).toEqual([]);
    }
  });
});
