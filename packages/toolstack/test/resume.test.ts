import { start_info, vcpu_guest_context } from '@port-xen/abi';
import { BytesMemory, ldI64 } from '@port-xen/layout';
import { MemoryImage } from '@port-xen/migration-stream';
import { describe, expect, test } from 'vitest';
import type { SaveOptions } from '../src/index.ts';
import { handElf } from './hand-elf.ts';
import { GUEST_ELF, HandGuest } from './hand-guest.ts';
import { acknowledge, makeHost, testConfig } from './host.ts';

const SECOND = 1e9;
const OLD_KERNEL = handElf({ bssBytes: 16 * 4096, suspendCancel: false });
const BACK = '/local/domain/0/backend/vbd/1/51712';
const FRONT = '/local/domain/1/device/vbd/51712';

/** A running guest that suspends when it is asked, or at least says that it will. */
const running = (kernel: Uint8Array = GUEST_ELF, obeys = true) => {
  const guest = new HandGuest();
  const host = makeHost(0, () => guest);
  const domid = host.xl.create(testConfig('hand'), kernel);
  host.run(SECOND);
  acknowledge(host, domid, () => {
    if (obeys) guest.wish = 'suspend';
  });
  const state: { outcome: Error | null | undefined } = { outcome: undefined };
  const save = (options: SaveOptions, sink: { write(chunks: readonly Uint8Array[]): void }) =>
    host.xl.save(domid, sink, options, (error) => {
      state.outcome = error;
    });
  /** Runs until the guest has suspended: it looks every ten seconds whether it is to. */
  const suspended = (): void => {
    while (!host.story.some((line) => line.endsWith('guest has suspended'))) host.run(1e7);
  };
  return { host, guest, domid, state, save, suspended };
};

const full = {
  write: () => {
    throw new Error('No space left on device');
  },
};

describe('resume', () => {
  test('SUS-6: as if restored: it returns 0, ports have their numbers, start_info its frames, and nothing is left of the old store connection', () => {
    const { host, guest, domid, state, save } = running();
    const node = (path: string) => host.store.tryRead(`/local/domain/${domid}/${path}`);
    const wired = ['store/port', 'store/ring-ref', 'console/port', 'console/ring-ref'].map(node);
    const before = host.hv.counts();
    host.store.write(`${BACK}/sectors`, '8');
    let startInfoMfn = 0;
    const write = (): void => {
      startInfoMfn = contextOf(host, domid).rdx;
    };
    save({ checkpoint: true, resume: 'reset' }, { write });
    host.run(12 * SECOND);
    expect(state.outcome).toBeNull();
    expect(guest.suspendResults).toEqual([0]);
    expect(['store/port', 'store/ring-ref', 'console/port', 'console/ring-ref'].map(node)).toEqual(
      wired,
    );
    expect(host.hv.counts()).toEqual(before);
    expect([host.store.read(`${FRONT}/state`), host.store.read(`${BACK}/state`)]).toEqual([
      '1',
      '1',
    ]);
    expect(host.store.tryRead(`${BACK}/sectors`)).toBeUndefined();
    expect(host.xl.list()[0]?.state).toBe('-b----');
    expect(host.hv.accounting()).toEqual([]);
    const page = host.hv.dom0.mapForeign(domid, startInfoMfn);
    const info = start_info.at(page.memory, 0);
    expect([info.store_mfn, ldI64(page.memory, start_info.offset.console)]).toEqual([
      Number(wired[1]),
      Number(wired[3]),
    ]);
    page.unmap();
  });

  test('SUS-6: a kernel without SUSPEND_CANCEL is resumed so by itself, also after a save that failed', () => {
    const { host, guest, state, save } = running(OLD_KERNEL);
    save({ checkpoint: true }, new MemoryImage());
    host.run(12 * SECOND);
    expect([state.outcome, guest.suspendResults]).toEqual([null, [0]]);
    save({}, full);
    host.run(12 * SECOND);
    expect(state.outcome?.message).toBe('No space left on device');
    expect(guest.suspendResults).toEqual([0, 0]);
    expect(host.hv.accounting()).toEqual([]);
  });

  test('SUS-6: a back end has ten seconds to let go; no other save begins meanwhile', () => {
    const { host, guest, domid, state, save, suspended } = running();
    host.store.write(`${BACK}/state`, '4');
    save({ checkpoint: true, resume: 'reset' }, new MemoryImage());
    suspended();
    host.run(5 * SECOND);
    expect(host.store.tryRead(FRONT)).toBeUndefined();
    expect(() => save({}, new MemoryImage())).toThrow(`domain ${domid} is being saved already`);
    expect(host.store.read(`${BACK}/state`)).toBe('4');
    host.run(6 * SECOND);
    expect([state.outcome, guest.suspendResults]).toEqual([null, [0]]);
    expect(host.store.read(`${BACK}/state`)).toBe('1');
  });

  test('SUS-6: it is resumed as soon as they have let go', () => {
    const { host, state, save, suspended } = running();
    const { watches } = host.xenstored.counters();
    host.store.write(`${BACK}/state`, '4');
    save({ checkpoint: true, resume: 'reset' }, new MemoryImage());
    suspended();
    host.run(SECOND);
    host.store.write(`${BACK}/state`, '6');
    host.run(2e6);
    expect(state.outcome).toBeNull();
    host.run(20 * SECOND);
    expect(host.xenstored.counters().watches).toBe(watches);
  });

  test.each([1, 8])('SUS-5: destroyed %d s into the resume', (seconds) => {
    const { host, domid, state, save, suspended } = running();
    host.store.write(`${BACK}/state`, '4');
    save({ checkpoint: true, resume: 'reset' }, new MemoryImage());
    suspended();
    host.run(seconds * SECOND);
    host.xl.destroy(domid);
    expect(state.outcome?.message).toBe('guest we were resuming has been destroyed');
    host.run(20 * SECOND);
    expect(host.xl.list()).toEqual([]);
    expect(host.hv.counts().domains).toEqual([]);
  });

  test('SUS-6: a paused domain stays paused', () => {
    const { host, guest, domid, state, save, suspended } = running();
    host.store.write(`${BACK}/state`, '4');
    save({ checkpoint: true, resume: 'reset' }, new MemoryImage());
    suspended();
    host.run(SECOND);
    host.xl.pause(domid);
    host.run(15 * SECOND);
    expect(state.outcome).toBeNull();
    expect([host.xl.list()[0]?.state, guest.suspendResults]).toEqual(['--p---', []]);
    host.xl.unpause(domid);
    host.run(SECOND);
    expect(guest.suspendResults).toEqual([0]);
  });

  test('SUS-6: a port by which it wanted to be asked is forgotten', () => {
    const { host, domid, state, save } = running();
    const node = `/local/domain/${domid}/device/suspend/event-channel`;
    // Not a port that it has: it is asked by the node, and the number must not become another's.
    host.store.write(node, '77');
    save({ checkpoint: true, resume: 'reset' }, new MemoryImage());
    host.run(12 * SECOND);
    expect(state.outcome).toBeNull();
    expect(host.store.read(node)).toBe('');
  });

  test('SUS-6: with a start_info that cannot be, it goes on where it was', () => {
    const { host, guest, domid, state, save } = running();
    const spoil = {
      write: () => {
        const { rdx } = contextOf(host, domid);
        const page = host.hv.dom0.mapForeign(domid, rdx);
        start_info.at(page.memory, 0).store_mfn = 5000;
        page.unmap();
        throw new Error('No space left on device');
      },
    };
    save({ resume: 'reset' }, spoil);
    host.run(12 * SECOND);
    expect(state.outcome?.message).toBe('No space left on device');
    expect(guest.suspendResults).toEqual([1]);
    expect(host.story).toContain(
      `toolstack: domain ${domid}: cannot be resumed as if restored: expected the pfn of a page in start_info.store_mfn, found 0x1388`,
    );
  });

  test('SUS-7: a guest that suspends when nobody waits any more is resumed', () => {
    for (const resume of ['cooperative', 'reset'] as const) {
      const { host, guest, state, save } = running(GUEST_ELF, false);
      save({ resume }, new MemoryImage());
      host.run(70 * SECOND);
      expect(state.outcome?.message).toBe('guest did not suspend, timed out');
      guest.wish = 'suspend';
      host.run(20 * SECOND);
      expect(guest.suspendResults).toEqual([resume === 'reset' ? 0 : 1]);
      expect(host.xl.list()[0]?.state).toBe('-b----');
    }
  });

  test('SUS-7: one that never took the request up and suspends by itself is left as it is', () => {
    const guest = new HandGuest();
    const host = makeHost(0, () => guest);
    const domid = host.xl.create(testConfig('hand'), GUEST_ELF);
    host.run(SECOND);
    host.xl.save(domid, new MemoryImage(), {}, () => {});
    host.run(70 * SECOND);
    guest.wish = 'suspend';
    host.run(20 * SECOND);
    expect(guest.suspendResults).toEqual([]);
    expect(host.xl.list()[0]?.state).toBe('---ss-');
  });

  test('SUS-1: a guest that suspends without an answer does not find the request when it goes on', () => {
    const guest = new HandGuest();
    const host = makeHost(0, () => guest);
    const domid = host.xl.create(testConfig('hand'), GUEST_ELF);
    host.run(SECOND);
    let outcome: Error | null | undefined;
    host.xl.save(domid, new MemoryImage(), { checkpoint: true }, (error) => {
      outcome = error;
    });
    guest.wish = 'suspend';
    host.run(20 * SECOND);
    expect([outcome, guest.suspendResults]).toEqual([null, [1]]);
    expect(host.store.read(`/local/domain/${domid}/control/shutdown`)).toBe('');
  });
});

/** The registers of the domain's vCPU. */
const contextOf = (host: ReturnType<typeof makeHost>, domid: number): { rdx: number } =>
  vcpu_guest_context.at(new BytesMemory(host.hv.domctl.getVcpuContext(domid, 0)), 0).user_regs;
