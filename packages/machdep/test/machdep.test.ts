import {
  __HYPERVISOR_callback_op,
  __HYPERVISOR_set_trap_table,
  __HYPERVISOR_stack_switch,
  SHUTDOWN_crash,
  SHUTDOWN_poweroff,
} from '@port-xen/abi';
import { textOf } from '@port-xen/layout';
import { createHost, type TestHost } from '@tooling/testbed';
import { describe, expect, test } from 'vitest';
import { ForeignGuest } from './foreign-guest.ts';
import { type KernelOptions, machdepKernel } from './machdep-kernel.ts';
import { echo, jumper, loader, opener, peeker, storer, ticker } from './programs.ts';

const PROGRAMS = [ticker, echo, loader, storer, peeker, jumper, opener];

describe.each([
  ['plain', false],
  ['amnesia', true],
])('%s', (_, amnesia) => {
  const kernelWith = (options: Partial<KernelOptions> = {}) =>
    machdepKernel({ programs: PROGRAMS, amnesia, ...options });

  const boot = (
    host: TestHost,
    cmdline: string,
    options: Partial<KernelOptions> & { memoryMib?: number } = {},
  ): number => {
    const { elf, engine } = kernelWith(options);
    return host.bootKernel({ elf, engine, cmdline, memoryMib: options.memoryMib ?? 16 });
  };

  /** Runs until the domain has shut down. @returns the reason */
  const runToEnd = (host: TestHost, domid: number): number => {
    let reason = -1;
    host.xl.onExit((ended, why) => {
      if (ended === domid) reason = why;
    });
    host.runUntil('the domain to shut down', () => reason >= 0);
    return reason;
  };

  /** Saves, and looks at the domain while it is suspended. @returns the save file */
  const saveLooking = (
    host: TestHost,
    domid: number,
    look: (guest: ForeignGuest) => void,
    checkpoint = false,
  ): Uint8Array => {
    const chunks: Uint8Array[] = [];
    let looked = false;
    let result: Error | null | undefined;
    const write = (some: readonly Uint8Array[]): void => {
      chunks.push(...some.map((chunk) => chunk.slice()));
      if (looked || !host.hv.domctl.getDomainInfo(domid).shutdown) return;
      looked = true;
      look(new ForeignGuest(host, domid));
    };
    host.xl.save(domid, { write }, { checkpoint }, (error) => {
      result = error;
    });
    host.runUntil('the save to end', () => result !== undefined);
    expect(result).toBe(null);
    expect(looked).toBe(true);
    return new Uint8Array(Buffer.concat(chunks));
  };

  test('a program gets its arguments, and init’s end is the end of the domain', () => {
    const host = createHost({ mib: 32 });
    const domid = boot(host, 'debug init=echo one two 7');
    expect(runToEnd(host, domid)).toBe(SHUTDOWN_poweroff);
    expect(host.consoleText(domid)).toContain('\necho|one|two|7\n');
    expect(host.consoleText(domid)).toContain('init exited with status 7');
    expect(host.audit()).toEqual([]);
  });

  test('a kernel without a program that it could start says which it has, and panics', () => {
    const host = createHost({ mib: 32 });
    const domid = boot(host, 'init=ls');
    expect(runToEnd(host, domid)).toBe(SHUTDOWN_crash);
    expect(host.consoleText(domid)).toContain('no init: no program "ls"; there are ticker, echo,');
  });

  test('KERN-14: a system call that fails gives a program minus its error', () => {
    const host = createHost({ mib: 32 });
    const domid = boot(host, 'init=opener');
    runToEnd(host, domid);
    expect(host.consoleText(domid)).toContain('init exited with status 2\n');
  });

  test('MD-1: trap table, callbacks and kernel stack are the same after a restore, though nobody gave them again', () => {
    const here = createHost({ mib: 32, slot: 0 });
    const domid = boot(here, 'init=ticker');
    here.runUntilConsole(domid, 'tick 3\n');
    const before = new ForeignGuest(here, domid).context;
    const image = here.saveToBytes(domid);
    const there = createHost({ mib: 32, slot: 2, seed: 9 });
    const again = there.restoreFromBytes(image, kernelWith().engine, { paused: true });
    const restored = new ForeignGuest(there, again).context;
    expect(restored.trap_ctxt.at(14).address_).toBe(before.trap_ctxt.at(14).address_);
    const hypercalls = new Set<number>();
    there.sim.trace.listen((kind, _domid, [number]) => {
      if (kind === 'hypercall') hypercalls.add(Number(number));
    });
    there.xl.unpause(again);
    there.runUntilConsole(again, 'tick 5\n');
    const after = new ForeignGuest(there, again).context;
    expect(after.event_callback_eip).toBe(before.event_callback_eip);
    expect(after.failsafe_callback_eip).toBe(before.failsafe_callback_eip);
    expect(after.syscall_callback_eip).toBe(before.syscall_callback_eip);
    for (const vector of [0, 6, 13, 14]) {
      expect(after.trap_ctxt.at(vector).address_).toBe(before.trap_ctxt.at(vector).address_);
    }
    expect(hypercalls).toContain(__HYPERVISOR_stack_switch);
    expect(hypercalls).not.toContain(__HYPERVISOR_set_trap_table);
    expect(hypercalls).not.toContain(__HYPERVISOR_callback_op);
  });

  test('MD-2: the suspend hypercall names the frame of start_info', () => {
    const host = createHost({ mib: 32 });
    const domid = boot(host, 'init=ticker');
    host.runUntilConsole(domid, 'tick 3\n');
    saveLooking(host, domid, (guest) => {
      const si = guest.startInfo(guest.context.user_regs.rdx);
      expect(textOf(si.magic)).toBe('xen-3.0-x86_64');
      expect(si.nr_pages).toBe(4096);
      expect(textOf(si.cmd_line)).toBe('init=ticker');
    });
  });

  test('MD-3: store and console are pfns at the hypercall, and frames again when the suspend was cancelled', () => {
    const host = createHost({ mib: 32 });
    const domid = boot(host, 'init=ticker');
    host.runUntilConsole(domid, 'tick 3\n');
    const guest = new ForeignGuest(host, domid);
    let startInfo = 0;
    let pfns: number[] = [];
    const look = (suspended: ForeignGuest): void => {
      startInfo = suspended.context.user_regs.rdx;
      const si = suspended.startInfo(startInfo);
      pfns = [si.store_mfn, si.console.domU.mfn];
      expect(Math.max(...pfns)).toBeLessThan(4096);
    };
    saveLooking(host, domid, look, true);
    const resumed = /resume: cancelled.*domain resumed\n.*tick/s;
    host.runUntil('the domain to go on', () => resumed.test(host.consoleText(domid)));
    const si = guest.startInfo(startInfo);
    expect([si.store_mfn, si.console.domU.mfn].map((mfn) => guest.m2p(mfn))).toEqual(pfns);
    expect(host.audit()).toEqual([]);
  });

  test('MD-4, PMAP-4: at the hypercall every entry names a frame of the domain’s own, and none its own level', () => {
    const host = createHost({ mib: 32 });
    const domid = boot(host, 'init=ticker');
    host.runUntilConsole(domid, 'tick 3\n');
    saveLooking(host, domid, (guest) => {
      const { sharedInfoMfn } = host.hv.domctl.getDomainInfo(domid);
      const levels = new Map<number, number>();
      for (const root of [guest.root, guest.userRoot]) {
        expect(root).toBeGreaterThan(0);
        for (const { level, table, mfn } of guest.entries(root)) {
          levels.set(table, level);
          expect(mfn).not.toBe(sharedInfoMfn);
          expect(guest.m2p(mfn), `frame ${mfn} below table ${table}`).toBeLessThan(4096);
        }
      }
      for (const root of [guest.root, guest.userRoot]) {
        for (const { level, mfn } of guest.entries(root)) {
          if (level > 1) expect(levels.get(mfn) ?? level - 1).toBe(level - 1);
        }
      }
    });
  });

  test('MD-5: shared_info is where it was, and another frame', () => {
    const here = createHost({ mib: 32, slot: 0 });
    const domid = boot(here, 'init=ticker');
    here.runUntilConsole(domid, 'tick 3\n');
    const { engine } = kernelWith();
    const va = engine.image.sym('HYPERVISOR_shared_info_data');
    const frameAt = (host: TestHost, id: number) => new ForeignGuest(host, id).mfnAt(va);
    const sharedInfo = (host: TestHost, id: number) =>
      host.hv.domctl.getDomainInfo(id).sharedInfoMfn;
    expect(frameAt(here, domid)).toBe(sharedInfo(here, domid));
    const image = saveLooking(here, domid, (guest) => expect(guest.mfnAt(va)).toBe(-1));
    const there = createHost({ mib: 32, slot: 1 });
    const again = there.restoreFromBytes(image, engine);
    there.runUntilConsole(again, 'domain resumed\n');
    expect(frameAt(there, again)).toBe(sharedInfo(there, again));
  });

  test('MD-6: a domain restored with another number of pages panics', () => {
    const here = createHost({ mib: 32, slot: 0 });
    const domid = boot(here, 'init=ticker');
    here.runUntilConsole(domid, 'tick 3\n');
    const image = here.saveToBytes(domid);
    const there = createHost({ mib: 32, slot: 1 });
    const again = there.restoreFromBytes(image, kernelWith().engine, { paused: true });
    const guest = new ForeignGuest(there, again);
    const mapping = there.hv.dom0.mapForeign(again, guest.context.user_regs.rdx);
    mapping.memory.st32(32, 4095);
    mapping.unmap();
    there.xl.unpause(again);
    expect(runToEnd(there, again)).toBe(SHUTDOWN_crash);
    // What was queued stays queued in the guest: a kernel that stops here has no console yet.
    expect(there.audit()).toEqual([]);
  });

  test('MD-7: a device that refuses ends the suspend, everything goes on, and the next one succeeds', () => {
    const host = createHost({ mib: 32 });
    const domid = boot(host, 'init=ticker', { refuser: { refusals: 1 } });
    host.runUntilConsole(domid, 'tick 3\n');
    host.xl.save(domid, { write: () => {} }, {}, () => {});
    host.runUntilConsole(domid, 'refuser0: refuses to be suspended\n');
    host.runUntilConsole(domid, 'suspend: refused, going on\n');
    host.runUntilConsole(domid, 'tick');
    host.runUntilConsole(domid, 'tick');
    expect(host.hv.domctl.getDomainInfo(domid).shutdown).toBe(false);
    // The toolstack gives up after a minute; until then it takes no other request.
    if (amnesia) return;
    host.runFor(130e9);
    expect(host.saveToBytes(domid).length).toBeGreaterThan(1 << 20);
  });

  test('MD-7: a device without handlers ends the suspend before anything was done', () => {
    const host = createHost({ mib: 32 });
    const domid = boot(host, 'init=ticker', { refuser: { silent: true } });
    host.runUntilConsole(domid, 'tick 3\n');
    host.xl.save(domid, { write: () => {} }, {}, () => {});
    host.runUntilConsole(domid, 'pmf: refuser0 does not say how it is suspended\n');
    host.runUntilConsole(domid, 'suspend: refused, going on\n');
    host.runUntilConsole(domid, 'tick');
  });

  test('MD-8: no program runs between the start of a suspend and the end of the resume', () => {
    const here = createHost({ mib: 32, slot: 0 });
    const domid = boot(here, 'init=ticker');
    here.runUntilConsole(domid, 'tick 3\n');
    const image = here.saveToBytes(domid);
    const before = here.consoleText(domid);
    const there = createHost({ mib: 32, slot: 1 });
    const again = there.restoreFromBytes(image, kernelWith().engine);
    there.runUntilConsole(again, 'domain resumed\n');
    const after = there.consoleText(again);
    expect(before.slice(before.indexOf('suspend: '))).not.toContain('tick');
    expect(after.slice(0, after.indexOf('domain resumed\n'))).not.toContain('tick');
    there.runUntilConsole(again, 'tick');
    there.runUntilConsole(again, '\n');
    const text = before + there.consoleText(again);
    const ticks = [...text.matchAll(/tick (\d+)\n/g)].map((match) => Number(match[1]));
    expect(ticks).toEqual(ticks.map((_number, i) => i + 1));
    expect(ticks.length).toBeGreaterThan(3);
  });

  test.each([
    ['loader', 'page fault on address 0000000012345678, error code 4'],
    ['storer', 'page fault on address 0000000000400000, error code 7'],
    ['peeker', 'page fault on address ffffffff80202000, error code'],
    ['jumper', ''],
  ])('MD-9: %s ends with status 139, and its end is told', (program, told) => {
    const host = createHost({ mib: 32 });
    const domid = boot(host, `init=${program}`);
    expect(runToEnd(host, domid)).toBe(SHUTDOWN_poweroff);
    expect(host.consoleText(domid)).toContain(`pid 1 (${program}): ${told}`);
    expect(host.consoleText(domid)).toContain('init exited with status 139\n');
  });

  test('MD-9: a kernel that faults panics with the symbol at which it did', () => {
    const host = createHost({ mib: 32 });
    const domid = boot(host, 'init=ticker', {
      onSysmon: (m) => {
        if (m.clock.uptime_s() > 0) m.kern.cpu.memory.ld32(-0x5000_0000_0000);
      },
    });
    expect(runToEnd(host, domid)).toBe(SHUTDOWN_crash);
    expect(host.consoleText(domid)).toMatch(
      /panic: page fault on address ffffb00000000000, error code 0, at sysmon_thread/,
    );
  });

  test.each(amnesia ? [16] : [16, 48, 512])(
    'a domain of %i MiB boots, is saved and restored',
    (memoryMib) => {
      const here = createHost({ mib: memoryMib + 32, slot: 0 });
      const domid = boot(here, 'init=ticker', { memoryMib });
      here.runUntilConsole(domid, `(${memoryMib} MiB)`);
      here.runUntilConsole(domid, 'tick 3\n');
      const image = here.saveToBytes(domid);
      const there = createHost({ mib: memoryMib + 32, slot: 1 });
      const again = there.restoreFromBytes(image, kernelWith().engine);
      there.runUntilConsole(again, 'domain resumed\n');
      there.runUntilConsole(again, 'tick');
      expect(there.audit()).toEqual([]);
    },
  );
});
