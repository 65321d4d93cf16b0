/*
 * One life of a domain in the test's own process, on hosts that share nothing but the save file and the disks.
 */
import { Random } from '@port-xen/sim';
import { createHost, type FormerLife, type MemoryDisk, type TestHost } from '@tooling/testbed';
import { expect } from 'vitest';
import { type Guest, makeGuest } from '../src/guest.ts';
import { slotPlan } from '../src/host-options.ts';
import { xen2Kernel } from '../src/kernel.ts';

/** Linked once: the engine keeps nothing of any guest. */
export const guest: Guest = makeGuest(false);
export const amnesiac: Guest = makeGuest(true);
/** The kernel whose control path is Xen 2's controller interface. */
export const xen2Guest: Guest = makeGuest(false, xen2Kernel);
export const xen2Amnesiac: Guest = makeGuest(true, xen2Kernel);

/** Bytes that cannot be guessed. */
export const randomBytes = (size: number, seed: number): Uint8Array => {
  const random = new Random(seed, 'disk');
  const words = new Int32Array(Math.ceil(size / 4));
  for (let i = 0; i < words.length; i++) words[i] = random.next();
  return new Uint8Array(words.buffer, 0, size);
};

/** The handles that an image's domain had where it comes from. */
const formerLives = new WeakMap<Uint8Array, FormerLife>();

/** How far apart the first ports of neighbouring hosts are: no domain has so many. */
const PORT_STRIDE = 32;

export interface Life {
  readonly program: string;
  readonly memoryMib: number;
  readonly disks: Readonly<Record<string, MemoryDisk>>;
  readonly guest?: Guest;
  readonly seed?: number;
}

/** A host that is large enough, and what is held on it while it is empty. */
export const emptyHost = (life: Life, slot: number): TestHost =>
  createHost({
    mib: life.memoryMib + 24,
    slot,
    interface: (life.guest ?? guest).interface,
    seed: (life.seed ?? 1) + slot,
    firstPort: 1 + PORT_STRIDE * slot,
  });

/** A slot other than the first, drawn by a number. */
export const slotOf = (life: Life, n: number): number =>
  1 + (n % (slotPlan((life.guest ?? guest).interface).slots - 2));

/** Boots the life's domain. @returns its domid */
export const boot = (host: TestHost, life: Life): number => {
  const { elf, engine } = life.guest ?? guest;
  const { memoryMib, disks } = life;
  return host.bootKernel({ elf, engine, memoryMib, disks, cmdline: `init=${life.program}` });
};

/** Runs until `count` block requests were completed on this host, or the domain has ended. */
export const runToRequest = (host: TestHost, count: number): void => {
  host.runUntil(`${count} block requests`, () => host.xbdback.completed >= count, 3600e9);
};

/** Saves the domain; the host is as empty as it was, and its books are right. */
export const vanish = (host: TestHost, domid: number): Uint8Array => {
  const image = host.saveToBytes(domid);
  // The back ends let go of it a little later.
  host.runFor(10e6);
  expect(host.audit()).toEqual([]);
  const { domains } = host.hv.counts();
  expect(domains).toEqual([]);
  const former = host.formerLives.get(domid);
  if (former !== undefined) formerLives.set(image, former);
  return image;
};

/** Restores it elsewhere, where no handle of its former life may be used. @returns its domid there */
export const wakeUp = (host: TestHost, life: Life, image: Uint8Array): number => {
  const former = formerLives.get(image);
  const { disks } = life;
  return host.restoreFromBytes(image, (life.guest ?? guest).engine, {
    disks,
    ...(former !== undefined && { former }),
  });
};

/** Runs to the domain's end. @returns all that it printed on this host */
export const finish = (host: TestHost, domid: number): string => {
  let reason: number | undefined;
  host.xl.onExit((exited, why) => {
    if (exited === domid) reason = why;
  });
  host.runUntil('the domain to end', () => reason !== undefined, 7200e9);
  expect(reason).toBe(0);
  expect(host.audit()).toEqual([]);
  return host.consoleText(domid);
};
