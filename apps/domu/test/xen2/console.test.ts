/*
 * The console of a domain of Xen 2 in a whole world: what is under way in both rings when it is saved arrives once.
 */
import type { TestHost } from '@tooling/testbed';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { boot, emptyHost, type Life, slotOf, vanish, wakeUp, xen2Amnesiac } from '../cycle.ts';

const WORDS = 12;
/** Makes words long: a line of them is more than the console has under way at once. */
const PAD = 'x'.repeat(14);

/** Words that sh says, each other than all others. */
const wordsOf = (round: number): string[] =>
  Array.from({ length: WORDS }, (_, i) => `${round}.${i}.${PAD}`);

/** What the kernel says, which may stand within a word. */
const KERNEL =
  /(ctrlif0|suspend|clock|resume|hypervisor0|xencons0|blkif0|port-xen|balloon0):[^\n]*\n|domain resumed\n/g;

/** Lines that begin so, and the words in them. */
const wordsIn = (text: string, beginning: string): string[] =>
  text
    .replace(KERNEL, '')
    .split('\n')
    .filter((line) => line.startsWith(beginning))
    .flatMap((line) => [...line.matchAll(/(?<=<)\d+\.\d+\.x*(?=>)/g)].map(([word]) => word));

const type = (host: TestHost, domid: number, line: string): void => {
  const bytes = new TextEncoder().encode(`${line}\n`);
  expect(host.controller.input(domid, bytes)).toBe(bytes.length);
};

test('whatever is printed and typed when a domain is saved, every byte is shown once and read once', () => {
  const saves = fc.array(fc.nat(400_000), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(saves, (moments) => {
      const life: Life = { program: 'sh', memoryMib: 8, disks: {}, guest: xen2Amnesiac };
      let host = emptyHost(life, 0);
      let domid = boot(host, life);
      let text = '';
      host.runFor(20e6);
      moments.forEach((ns, round) => {
        type(
          host,
          domid,
          `echo '${wordsOf(round)
            .map((word) => `<${word}>`)
            .join(' ')}'`,
        );
        host.runUntil('sh to begin', () => host.consoleText(domid).includes(`\n<${round}.0.`), 1e9);
        host.runFor(ns);
        // One message, and the request to suspend behind it.
        type(host, domid, `echo '<${round}.${WORDS}.>'`);
        const before = host;
        const file = vanish(host, domid);
        text += before.consoleText(domid);
        host = emptyHost(life, slotOf(life, round));
        domid = wakeUp(host, life, file);
      });
      host.runFor(100e6);
      text += host.consoleText(domid);
      const expected = moments.flatMap((__, round) => [...wordsOf(round), `${round}.${WORDS}.`]);
      expect(wordsIn(text, '<')).toEqual(expected);
      // What sh showed of what was typed.
      expect(wordsIn(text, '$ echo')).toEqual(expected);
    }),
    { numRuns: 4 },
  );
});
