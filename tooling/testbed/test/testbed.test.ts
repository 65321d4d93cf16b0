import { Sim } from '@port-xen/sim';
import { expect, test } from 'vitest';
import { createHost, type MemoryDisk, memoryDisk, type TestHost } from '../src/index.ts';
import { plainGuest } from './plain-guest.ts';
import { plainKernel } from './plain-kernel.ts';

const elf = plainKernel();
const engine = plainGuest;

/**
 * Reads the guest's ports off its console and writes the nodes that it has no xenstore client to write itself.
 */
const connectDisk = (host: TestHost, domid: number): void => {
  const line = host.runUntilConsole(domid, '\n');
  const [, suspend, disk] = /life \d+ suspend (\d+) disk (\d+)\n$/.exec(line) as RegExpExecArray;
  const home = `/local/domain/${domid}/device`;
  host.store.write(`${home}/suspend/event-channel`, suspend as string);
  host.store.write(`${home}/vbd/51712/ring-ref`, '8');
  host.store.write(`${home}/vbd/51712/event-channel`, disk as string);
  host.store.write(`${home}/vbd/51712/protocol`, 'x86_64-abi');
  host.store.write(`${home}/vbd/51712/state`, '3');
};

const boot = (host: TestHost, disk: MemoryDisk): number => {
  const domid = host.bootKernel({ elf, engine, memoryMib: 8, disks: { xvda: disk } });
  host.runUntilConsole(domid, 'hello\n');
  connectDisk(host, domid);
  host.runUntilConsole(domid, 'disk answered 1 with 0\n');
  return domid;
};

test('a kernel boots, prints, writes to its disk, and leaves nothing when it is destroyed', () => {
  const host = createHost({ mib: 32 });
  const before = host.conservation();
  const disk = memoryDisk(1 << 16);
  const domid = boot(host, disk);
  expect(disk.bytes.subarray(512, 1024)).toEqual(new Uint8Array(512).fill(1));
  expect(host.audit()).toEqual([]);
  expect(host.conservation()).toMatchObject({ devices: 1, openDisks: 1 });
  host.xl.destroy(domid);
  expect(host.conservation()).toEqual(before);
  expect(host.audit()).toEqual([]);
});

test('a domain is saved, and restored on another host in another process', () => {
  const here = createHost({ mib: 32, slot: 0, seed: 1 });
  const before = here.conservation();
  const disk = memoryDisk(1 << 16);
  const domid = boot(here, disk);
  const image = here.saveToBytes(domid);
  expect(here.consoleText(domid).endsWith('suspending\n')).toBe(true);
  expect(here.conservation()).toEqual(before);
  expect(here.audit()).toEqual([]);

  const there = createHost({ mib: 32, slot: 3, seed: 2 });
  const again = there.restoreFromBytes(image, engine, { disks: { xvda: disk } });
  expect(again).not.toBe(domid);
  there.runUntilConsole(again, 'restored\n');
  connectDisk(there, again);
  there.runUntilConsole(again, 'disk answered 2 with 0\n');
  expect(disk.bytes[1024]).toBe(2);
  expect(there.consoleText(again)).not.toContain('suspending');
  expect(there.audit()).toEqual([]);
});

test('a checkpointed domain goes on, and can be saved again', () => {
  const host = createHost({ mib: 32 });
  const disk = memoryDisk(1 << 16);
  const domid = boot(host, disk);
  const first = host.saveToBytes(domid, { checkpoint: true });
  host.runUntilConsole(domid, 'cancelled\n');
  const second = host.saveToBytes(domid);
  expect(second.length).toBe(first.length);
  host.runFor(1e6);
  expect(host.audit()).toEqual([]);
});

test('two hosts share a world, and a domain goes to and fro', () => {
  const sim = new Sim(7);
  const hosts = [0, 1].map((slot) => createHost({ sim, slot, mib: 32 }));
  const [one, two] = hosts as [TestHost, TestHost];
  const disk = memoryDisk(1 << 16);
  let domid = boot(one, disk);
  const emptyTwo = two.conservation();
  for (let trip = 0; trip < 4; trip++) {
    const [from, to] = trip % 2 === 0 ? [one, two] : [two, one];
    const image = from.saveToBytes(domid);
    domid = to.restoreFromBytes(image, engine, { disks: { xvda: disk } });
    to.runUntilConsole(domid, 'restored\n');
    connectDisk(to, domid);
    to.runUntilConsole(domid, `disk answered ${trip + 2} with 0\n`);
  }
  expect(two.conservation()).toEqual(emptyTwo);
  expect([...one.audit(), ...two.audit()]).toEqual([]);
});

test('the same seed gives the same trace', () => {
  const run = () => {
    const host = createHost({ mib: 32, seed: 5 });
    const events: string[] = [];
    host.sim.trace.listen((...event) => events.push(JSON.stringify(event)));
    host.saveToBytes(boot(host, memoryDisk(1 << 16)));
    return events;
  };
  const events = run();
  expect(events.length).toBeGreaterThan(20);
  expect(run()).toEqual(events);
});

test('a wait that is in vain says what was printed and what happened', () => {
  const host = createHost({ mib: 32 });
  const domid = host.bootKernel({ elf, engine, memoryMib: 8 });
  expect(() => host.runUntilConsole(domid, 'login: ', 1e9)).toThrow(
    /expected domain 1 to print "login: ", but 1 s passed; it printed last:\nhello\nlife 1/,
  );
});

test('a save that the guest does not answer fails, and the domain goes on', () => {
  const host = createHost({ mib: 32 });
  const domid = host.bootKernel({ elf, engine, memoryMib: 8 });
  host.runUntilConsole(domid, 'life 1');
  expect(() => host.saveToBytes(domid)).toThrow(
    "guest didn't acknowledge suspend, cancelling request",
  );
  expect(host.hv.domctl.getDomainInfo(domid).shutdown).toBe(false);
  expect(host.audit()).toEqual([]);
});

test('a save file that ends too early leaves nothing on the host that refuses it', () => {
  const here = createHost({ mib: 32 });
  const image = here.saveToBytes(boot(here, memoryDisk(1 << 16)));
  const there = createHost({ mib: 32, slot: 1 });
  const before = there.conservation();
  for (const share of [0, 0.001, 0.1, 0.5, 0.9, 0.999]) {
    const part = image.subarray(0, Math.floor(image.length * share));
    expect(() => there.restoreFromBytes(part, engine)).toThrow();
    expect(there.conservation()).toEqual(before);
  }
  expect(there.audit()).toEqual([]);
});

test('a domain that is destroyed while its disk works leaves nothing', () => {
  const host = createHost({ mib: 32 });
  const before = host.conservation();
  const disk = memoryDisk(1 << 16);
  const domid = host.bootKernel({ elf, engine, memoryMib: 8, disks: { xvda: disk } });
  host.runUntilConsole(domid, 'hello\n');
  connectDisk(host, domid);
  host.runUntil('the disk to be connected', () => host.hv.counts().dom0.grants === 1);
  host.runFor(50_000);
  host.xl.destroy(domid);
  expect(host.conservation()).toEqual(before);
  expect(host.audit()).toEqual([]);
  expect(disk.bytes).toEqual(new Uint8Array(1 << 16));
});

test('a disk of half a sector is refused', () => {
  expect(() => memoryDisk(700)).toThrow(
    'expected a disk of whole sectors of 512 bytes, found 700 bytes',
  );
});

test('what was written and not flushed is not on the medium of a crash', () => {
  const disk = memoryDisk(1024);
  const store = disk.open('w');
  store.write(1, new Uint8Array(512).fill(7));
  expect(disk.flushed()[512]).toBe(0);
  store.flush();
  expect(disk.flushed()[512]).toBe(7);
  expect(() => store.write(2, new Uint8Array(512))).toThrow(RangeError);
  expect(disk.opened).toBe(1);
  store.close();
  expect(disk.opened).toBe(0);
});
