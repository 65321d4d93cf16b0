/*
 * Resumed as if restored, in the same memory: what a restore makes new is old here, and the guest has to live with it: shared_info
 * with its masks and times, a grant table with entries, timers as it left them.
 */
import { createHost, memoryDisk } from '@tooling/testbed';
import { expect, test } from 'vitest';
import { type Guest, makeGuest, variantOf } from '../../src/guest.ts';
import { amnesiac, guest } from '../cycle.ts';

const TICK_NS = 10e6;

/** Runs a guest to its end, with so many slow cancels at some distance. @returns what it printed */
const throughCancels = (kernel: Guest, cmdline: string, apart_ns: number, times: number) => {
  const host = createHost({ mib: 16, interface: kernel.interface });
  const empty = host.conservation();
  const disks = { xvda: memoryDisk(2 ** 20) };
  const { elf, engine } = kernel;
  const nics = ['00:16:3e:00:00:01'];
  const domid = host.bootKernel({ elf, engine, memoryMib: 8, disks, nics, cmdline });
  for (let i = 0; i < times; i++) {
    host.runFor(apart_ns);
    host.saveToBytes(domid, { checkpoint: true, resume: 'reset' });
  }
  host.runUntil('the end', () => !host.hv.domains.has(domid), 600e9);
  expect(host.conservation()).toEqual(empty);
  expect(host.audit()).toEqual([]);
  return host.consoleText(domid);
};

const xen2Amnesiac = makeGuest(true, variantOf('xen-2.0'));

test.each(['tickless', 'oneshot', 'periodic'])('a %s clock goes on', (mode) => {
  const text = throughCancels(guest, `clock=${mode} init=clockwatch 4`, 0.37e9, 8);
  expect(text).toContain('clockwatch: 4 rounds, 0 faults\n');
  const seen = [...text.matchAll(/^clockwatch \d+: mono (\d+\.\d{9}) .* resumes (\d+) /gm)];
  expect(seen).toHaveLength(4);
  expect(seen.at(-1)?.[2]).toBe('8');
  const monotonic = seen.map(([, mono]) => Number(mono) * 1e9);
  for (let i = 1; i < monotonic.length; i++) {
    const passed = (monotonic[i] as number) - (monotonic[i - 1] as number);
    // A round is a second of work and sleep, whatever came between.
    expect(passed).toBeGreaterThan(0.9e9);
    expect(passed).toBeLessThan(1.2e9);
  }
});

test.each([
  ['plain', guest],
  ['in amnesia', amnesiac],
  ['over the controller interface in amnesia', xen2Amnesiac],
])('a shell, its console and its sleeps go on, %s', (_, kernel) => {
  const line =
    'init=sh -c sleep 1; echo one; sleep 1; echo two; dd if=/dev/xbd0 of=/dev/xbd0; echo $?';
  const text = throughCancels(kernel, line, 13 * TICK_NS, 12);
  const own = text.split('\n').filter((said) => /^(one|two|\d+)$/.test(said));
  expect(own).toEqual(['one', 'two', '0']);
  expect(text.split('domain resumed\n').length - 1).toBe(12);
});
