/*
 * A guest with work to do, in the test's own process: booted, saved and restored at given moments of virtual time, on one host
 * after the other, to its end.
 */
import { createHost, type FormerLife, type MemoryDisk, type TestHost } from '@tooling/testbed';
import { expect } from 'vitest';
import type { Guest } from '../src/guest.ts';
import { slotPlan } from '../src/host-options.ts';

export interface Workload {
  readonly guest: Guest;
  readonly cmdline: string;
  readonly disks: Readonly<Record<string, MemoryDisk>>;
  readonly memoryMib?: number;
  /** Those of the disks that are for reading only; for a domain that is not saved. */
  readonly readonlyDisks?: readonly string[];
  /** What is done on a host once the domain is there, before it runs. @param life 0: where it was booted */
  readonly onHost?: (host: TestHost, domid: number, life: number) => void;
}

/** How a workload ended. */
export interface Ended {
  /** All that it printed, on every host. */
  readonly text: string;
  /** How long it ran on its last host, virtual time. */
  readonly last_ns: number;
  /** The host on which it ended. */
  readonly host: TestHost;
}

/** How far apart the first ports of neighbouring hosts are: no domain has so many. */
const PORT_STRIDE = 32;
const PATIENCE_NS = 3600e9;

/** Runs a domain until it ends or `time_ns` has passed. @returns the reason of its end */
const runOn = (host: TestHost, domid: number, time_ns: number): number | undefined => {
  let reason: number | undefined;
  host.xl.onExit((ended, why) => {
    if (ended === domid) reason = why;
  });
  const end_ns = host.sim.now_ns + time_ns;
  host.sim.at(end_ns, () => {});
  host.sim.runUntil(() => reason !== undefined || host.sim.now_ns >= end_ns);
  return reason;
};

/**
 * Runs a workload to its end.
 * @param lives_ns how long it runs on each host before it is saved; after the last one it runs to its end
 */
export const runWorkload = (work: Workload, lives_ns: readonly number[] = []): Ended => {
  const { guest, cmdline, disks, memoryMib = 16, readonlyDisks = [] } = work;
  const { slots } = slotPlan(guest.interface);
  let text = '';
  let image: Uint8Array | undefined;
  let former: FormerLife | undefined;
  for (let slot = 0; ; slot++) {
    const host = createHost({
      mib: memoryMib + 24,
      slot: slot % slots,
      interface: guest.interface,
      seed: slot + 1,
      firstPort: 1 + PORT_STRIDE * (slot % slots),
    });
    const domid =
      image === undefined
        ? host.bootKernel({
            elf: guest.elf,
            engine: guest.engine,
            memoryMib,
            disks,
            readonlyDisks,
            cmdline,
          })
        : host.restoreFromBytes(image, guest.engine, {
            disks,
            ...(former !== undefined && { former }),
          });
    work.onHost?.(host, domid, slot);
    const started_ns = host.sim.now_ns;
    const reason = runOn(host, domid, lives_ns[slot] ?? PATIENCE_NS);
    if (reason !== undefined) {
      text += host.consoleText(domid);
      host.runFor(10e6);
      expect(host.audit()).toEqual([]);
      expect([reason, text.slice(-500)]).toEqual([0, text.slice(-500)]);
      return { text, last_ns: host.sim.now_ns - started_ns, host };
    }
    if (slot >= lives_ns.length) throw new Error(`the guest does not end; it printed\n${text}`);
    image = host.saveToBytes(domid);
    former = host.formerLives.get(domid);
    host.runFor(10e6);
    expect(host.audit()).toEqual([]);
    text += host.consoleText(domid);
  }
};
