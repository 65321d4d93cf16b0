import { uvm_data } from '@port-xen/uvm';
import { createHost, type TestHost } from '@tooling/testbed';
import { describe, expect, test } from 'vitest';
import { ForeignGuest } from './foreign-guest.ts';
import { breeder, cower, quitter } from './fork-programs.ts';
import { machdepKernel } from './machdep-kernel.ts';

const PROGRAMS = [breeder, cower, quitter];

describe.each([
  ['plain', false],
  ['amnesia', true],
])('%s', (_, amnesia) => {
  const kernel = machdepKernel({ programs: PROGRAMS, amnesia });

  const boot = (host: TestHost, cmdline: string): number =>
    host.bootKernel({ elf: kernel.elf, engine: kernel.engine, cmdline, memoryMib: 16 });

  /** Pages of the guest that somebody uses. */
  const usedPages = (host: TestHost, domid: number): number => {
    const guest = new ForeignGuest(host, domid);
    const va = (kernel.engine.image.data.uvm as number) + uvm_data.offset.pages + 24;
    return guest.frame(guest.mfnAt(va)).ld32(va & 4095);
  };

  test(`UVM-1: ${amnesia ? 200 : 1000} processes leave as many pages free as a hundred`, () => {
    const host = createHost({ mib: 32 });
    const domid = boot(host, `init=breeder ${amnesia ? 200 : 1000}`);
    host.runUntilConsole(domid, 'bred 100, 0 failures\n', 300e9);
    host.runFor(1e6);
    const used = usedPages(host, domid);
    expect(used).toBeGreaterThan(10);
    host.runUntilConsole(domid, `bred ${amnesia ? 200 : 1000}, 0 failures\n`, 3000e9);
    host.runFor(100e6);
    expect(Math.abs(usedPages(host, domid) - used)).toBeLessThan(20);
    expect(host.audit()).toEqual([]);
  });

  test('UVM-5: what one process stores after a fork no other sees, to the third generation', () => {
    const host = createHost({ mib: 32 });
    const domid = boot(host, 'init=cower');
    host.runUntilConsole(domid, 'cower: 0 pages wrong\n');
    expect(host.audit()).toEqual([]);
  });

  test('UVM-5: a domain saved among copies ends as it would have', () => {
    for (let at_us = 0; at_us < 8000; at_us += amnesia ? 2900 : 1300) {
      const here = createHost({ mib: 32, slot: 0 });
      const domid = boot(here, 'init=cower');
      here.runUntilConsole(domid, 'xenbus0');
      here.runFor(at_us * 1000);
      if (here.consoleText(domid).includes('cower:')) break;
      const image = here.saveToBytes(domid);
      const there = createHost({ mib: 32, slot: 3 });
      const again = there.restoreFromBytes(image, kernel.engine);
      there.runFor(50e6);
      // Here, if it came to its end while it was asked to suspend.
      const said = `${here.consoleText(domid)}${there.consoleText(again)}`;
      expect(said.match(/cower: .*\n/g)).toEqual(['cower: 0 pages wrong\n']);
      expect(there.audit()).toEqual([]);
    }
  });
});
