/*
 * Requests to suspend that come to nothing, and what is said of them: xl's sentences.
 */
import { createHash } from 'node:crypto';
import { SHUTDOWN_crash } from '@port-xen/abi';
import type { SaveOptions } from '@port-xen/toolstack';
import { createHost, memoryDisk } from '@tooling/testbed';
import { describe, expect, test } from 'vitest';
import { randomBytes } from '../cycle.ts';
import { huntedKernel } from './hunted-kernel.ts';
import { Nerves } from './nerves.ts';

const SECOND_NS = 1e9;
const MINUTE_NS = 60e9;
const kernel = huntedKernel();
const contents = randomBytes(2 ** 20, 5);
const digest = createHash('sha256').update(contents).digest('hex');

/** A guest that does `program`, and its saves. */
const running = (program: string) => {
  const host = createHost({ mib: 16 });
  const { elf, engine } = kernel;
  const disks = { xvda: memoryDisk(contents.slice()), xvdb: memoryDisk(2 ** 20) };
  const cmdline = `init=${program}`;
  const config = { onCrash: 'destroy' } as const;
  const domid = host.bootKernel({ elf, engine, memoryMib: 8, disks, cmdline, config });
  host.runFor(10e6);
  const outcomes: (string | undefined)[] = [];
  let writes = 0;
  const save = (options: SaveOptions = {}): void => {
    const index = outcomes.push(undefined) - 1;
    const write = (): void => {
      writes++;
    };
    host.xl.save(domid, { write }, options, (error) => {
      outcomes[index] = error === null ? 'saved' : error.message;
    });
  };
  const nerves = (): Nerves => new Nerves(kernel, host, domid);
  const text = (): string => host.consoleText(domid);
  return { host, domid, outcomes, save, nerves, text, written: () => writes };
};

/** The guest is whole: it hashes its disk to the end, and its host's books are right. */
const toTheEnd = ({ host, domid, text }: ReturnType<typeof running>): void => {
  host.runUntil('the end', () => !host.hv.domains.has(domid), 1000 * SECOND_NS);
  host.runFor(10e6);
  expect(text()).toContain(`${digest}\n`);
  expect(host.audit()).toEqual([]);
  expect(host.hv.counts().dom0.grants).toBe(0);
};

describe('a request', () => {
  test('while another is under way is refused, and the first one is not touched', () => {
    const guest = running('sha256 /dev/xbd0');
    guest.save({ checkpoint: true });
    expect(() => guest.save()).toThrow(`domain ${guest.domid} is being saved already`);
    guest.host.runUntil('the save', () => guest.outcomes[0] !== undefined);
    expect(guest.outcomes).toEqual(['saved', undefined]);
    toTheEnd(guest);
  });

  test('is not overlooked right after one that was withdrawn', () => {
    const guest = running('sh -c sleep 200; sha256 /dev/xbd0');
    const restore = guest.nerves().overlook();
    guest.save();
    guest.host.runFor(MINUTE_NS + SECOND_NS);
    restore();
    guest.save({ checkpoint: true });
    guest.host.runFor(SECOND_NS);
    expect(guest.outcomes).toEqual([
      "guest didn't acknowledge suspend, cancelling request",
      'saved',
    ]);
    toTheEnd(guest);
  });

  test('that nobody acknowledges in sixty seconds is withdrawn; the guest has run on all the time', () => {
    const guest = running('sh -c sleep 30; sha256 /dev/xbd0; sleep 60');
    guest.nerves().overlook();
    guest.save();
    guest.host.runFor(MINUTE_NS - 1);
    expect(guest.outcomes).toEqual([undefined]);
    expect(guest.text()).toContain(digest);
    guest.host.runFor(1e6);
    expect(guest.outcomes).toEqual(["guest didn't acknowledge suspend, cancelling request"]);
    const node = `/local/domain/${guest.domid}/control/shutdown`;
    expect(guest.host.store.read(node)).toBe('');
    expect(guest.written()).toBe(0);
    toTheEnd(guest);
  });

  test('that is acknowledged and refused is over sixty seconds later; the guest has run on all the time', () => {
    const guest = running('sh -c sleep 30; sha256 /dev/xbd0; sleep 60');
    const nerves = guest.nerves();
    const device = nerves.devices().find((dv) => nerves.nameOf(dv) === 'xbd1');
    nerves.refuse(device as NonNullable<typeof device>);
    guest.save();
    guest.host.runFor(MINUTE_NS + SECOND_NS);
    expect(guest.outcomes).toEqual(['guest did not suspend, timed out']);
    expect(guest.text()).toContain('xbd1: refuses to be suspended\n');
    expect(guest.text()).toContain('suspend: refused, going on\n');
    expect(guest.text()).toContain(digest);
    toTheEnd(guest);
  });

  test('to a paused guest waits for it', () => {
    const guest = running('sha256 /dev/xbd0');
    guest.host.xl.pause(guest.domid);
    guest.save({ checkpoint: true });
    guest.host.runFor(30 * SECOND_NS);
    expect(guest.outcomes).toEqual([undefined]);
    guest.host.xl.unpause(guest.domid);
    guest.host.runFor(SECOND_NS);
    expect(guest.outcomes).toEqual(['saved']);
    toTheEnd(guest);
  });

  test('to a guest that is paused after it suspended: saved, and paused until somebody has it go on', () => {
    for (const resume of ['cooperative', 'reset'] as const) {
      const guest = running('sha256 /dev/xbd0');
      const { host, domid } = guest;
      host.hv.onDomainShutdown(() => host.xl.pause(domid));
      guest.save({ checkpoint: true, resume });
      host.runFor(SECOND_NS);
      expect(guest.outcomes).toEqual(['saved']);
      expect(host.xl.list().map(({ state }) => state)).toEqual(['--p---']);
      host.xl.unpause(domid);
      toTheEnd(guest);
    }
  });

  test('to a guest that powers off meanwhile', () => {
    const guest = running('sha256 /dev/xbd0');
    const { host, domid } = guest;
    guest.nerves().overlook();
    guest.save();
    host.runUntil('the end', () => guest.outcomes[0] !== undefined, 100 * SECOND_NS);
    expect(guest.outcomes).toEqual([
      'guest we were suspending has shut down with unexpected reason code 0',
    ]);
    host.runFor(SECOND_NS);
    expect(host.hv.domains.has(domid)).toBe(false);
    expect(guest.text()).toContain(digest);
    expect(host.audit()).toEqual([]);
  });

  test.each(['ack', 'suspend'])('to a guest that crashes before it %ss', (when) => {
    const guest = running('sleep 1000');
    const { host, domid } = guest;
    const node = `/local/domain/${domid}/control/shutdown`;
    guest.save();
    if (when === 'suspend') {
      host.runUntil('an answer', () => host.store.tryRead(node) === '');
    }
    host.hv.domains.get(domid)?.crash('a test wants it');
    host.runFor(SECOND_NS);
    expect(guest.outcomes).toEqual([
      `guest we were suspending has shut down with unexpected reason code ${SHUTDOWN_crash}`,
    ]);
    expect([host.hv.domains.has(domid), guest.written()]).toEqual([false, 0]);
    expect(host.audit()).toEqual([]);
  });

  test('to a guest that is destroyed while a device takes its time', () => {
    const guest = running('sha256 /dev/xbd0');
    const { host, domid } = guest;
    const nerves = guest.nerves();
    nerves.dawdle(nerves.devices()[0] as ReturnType<Nerves['devices']>[number]);
    guest.save();
    host.runFor(SECOND_NS);
    host.xl.destroy(domid);
    expect(guest.outcomes).toEqual(['guest we were suspending has been destroyed']);
    host.runFor(SECOND_NS);
    expect(host.hv.domains.size).toBe(0);
    expect(host.audit()).toEqual([]);
  });
});

describe.each(['cooperative', 'reset'] as const)(
  'after a suspend that was cancelled, %s,',
  (resume) => {
    test('what is typed arrives, before, meanwhile and after, each byte once', () => {
      const { host, domid, text } = running('sh');
      const type = (line: string): void => {
        host.consoled.input(domid, new TextEncoder().encode(line));
      };
      host.runUntilConsole(domid, '$ ');
      type('echo bef');
      let typed = false;
      const write = (): void => {
        if (!typed) type('ore; echo mean');
        typed = true;
      };
      let outcome: Error | null | undefined;
      host.xl.save(domid, { write }, { checkpoint: true, resume }, (error) => {
        outcome = error;
      });
      host.runUntil('the save', () => outcome !== undefined);
      type('while; echo after\n');
      host.runUntilConsole(domid, '\nafter\n');
      expect(text().split('\n')).toEqual(expect.arrayContaining(['before', 'meanwhile', 'after']));
    });

    test('it does what control/shutdown asks for', () => {
      const guest = running('sleep 1000');
      const { host, domid } = guest;
      guest.save({ checkpoint: true, resume });
      host.runFor(SECOND_NS);
      host.xl.requestShutdown(domid, 'poweroff');
      host.runUntil('its end', () => !host.hv.domains.has(domid));
      expect(guest.text()).toContain('xenbus0: asked to poweroff\n');
      expect(host.audit()).toEqual([]);
    });

    test('a disk comes, and goes', () => {
      const { host, domid, ...guest } = running('sleep 1000');
      guest.save({ checkpoint: true, resume });
      host.runFor(SECOND_NS);
      const disk = memoryDisk(4096);
      host.disks.set('guest/xvdc', disk);
      host.xl.attachDisk(domid, {
        pdevPath: 'guest/xvdc',
        vdev: 'xvdc',
        format: 'raw',
        readwrite: true,
      });
      host.runUntilConsole(domid, 'xbd2: 0.00 MB, 512 bytes/sect x 8 sectors\n');
      // The next cancel finds three.
      guest.save({ checkpoint: true, resume });
      host.runFor(SECOND_NS);
      let outcome: Error | null | undefined;
      host.xl.detachDisk(domid, 'xvda', (error) => {
        outcome = error;
      });
      host.runUntil('the disk to go', () => outcome !== undefined);
      expect([outcome, guest.outcomes]).toEqual([null, ['saved', 'saved']]);
      host.runUntilConsole(domid, 'xbd0: detached\n');
      guest.save({ checkpoint: true, resume });
      host.runFor(SECOND_NS);
      expect(guest.outcomes.at(-1)).toBe('saved');
      expect([host.openDisks, disk.opened]).toEqual([2, 1]);
      expect(host.audit()).toEqual([]);
    });
  },
);

test('a kernel without SUSPEND_CANCEL is resumed as if restored, after a checkpoint and after a save that failed', () => {
  const host = createHost({ mib: 16 });
  const disks = { xvda: memoryDisk(contents.slice()) };
  const domid = host.bootKernel({
    elf: withoutSuspendCancel(kernel.elf),
    engine: kernel.engine,
    memoryMib: 8,
    disks,
    cmdline: 'init=sha256 /dev/xbd0',
  });
  host.runFor(10e6);
  host.saveToBytes(domid, { checkpoint: true });
  const full = (): never => {
    throw new Error('No space left on device');
  };
  let outcome: Error | null | undefined;
  host.runFor(3e6);
  host.xl.save(domid, { write: full }, {}, (error) => {
    outcome = error;
  });
  host.runUntil('the end', () => !host.hv.domains.has(domid), 100 * SECOND_NS);
  expect(outcome?.message).toBe('No space left on device');
  const text = host.consoleText(domid);
  expect(text).toContain(digest);
  expect(text).not.toContain('cancelled');
  expect(text.split('domain resumed\n').length - 1).toBe(2);
});

/** The kernel's file with the note's type made one that nobody knows. */
const withoutSuspendCancel = (elf: Uint8Array): Uint8Array => {
  const copy = elf.slice();
  // namesz 4, descsz 4, type 14, "Xen".
  const note = [4, 0, 0, 0, 4, 0, 0, 0, 14, 0, 0, 0, 88, 101, 110, 0];
  const at = copy.findIndex((_, i) => note.every((byte, j) => copy[i + j] === byte));
  expect(at).toBeGreaterThan(0);
  copy[at + 8] = 200;
  return copy;
};
