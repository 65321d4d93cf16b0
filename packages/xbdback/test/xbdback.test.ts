import { expect, test } from 'vitest';
import { Front } from './front.ts';
import { PlainDisk, type World, world } from './world.ts';

const READ = 0;
const WRITE = 1;
const BARRIER = 2;
const FLUSH = 3;

/** A host with one disk of 1000 sectors, and domain 5's device connected to it. */
const connected = (seed = 1, mode = 'w') => {
  const w = world(seed);
  const disk = new PlainDisk(1000);
  w.disks.set('disk', disk);
  w.addDevice(5, 'disk', mode);
  w.settle();
  const front = new Front(w, 5);
  front.state(3);
  return { w, disk, front };
};

const nothingHeld = (w: World) => {
  expect(w.xen.mapped).toBe(0);
  expect(w.xen.handlers.size).toBe(0);
  expect(w.back.devices).toBe(0);
  expect(w.xenstored.counters().watches).toBe(1);
};

test('XBDBACK-2: the disk is published before InitWait, and the ring mapped when the front end is Initialised', () => {
  const w = world();
  w.disks.set('disk', new PlainDisk(1000));
  w.addDevice(5, 'disk', 'r');
  w.settle();
  expect(w.backState(5)).toBe('2');
  const published = Object.fromEntries(
    w.store
      .directory(w.backPath(5))
      .map((name) => [name, w.store.read(`${w.backPath(5)}/${name}`)]),
  );
  expect(published).toMatchObject({
    sectors: '1000',
    'sector-size': '512',
    'physical-sector-size': '512',
    info: '4',
    'feature-barrier': '1',
    'feature-flush-cache': '1',
    'hotplug-status': 'connected',
  });
  expect(w.xen.mapped).toBe(0);
  const front = new Front(w, 5);
  front.state(3);
  expect(w.backState(5)).toBe('4');
  expect(w.xen.mapped).toBe(1);
  front.state(4);
  expect(w.xen.mapped).toBe(1);
});

test('XBDBACK-2: a front end that goes straight to Connected, as a resumed one does, is served as well', () => {
  const w = world();
  w.disks.set('disk', new PlainDisk(1000));
  w.addDevice(5, 'disk');
  const front = new Front(w, 5);
  front.write('state', 3);
  front.write('state', 4);
  front.ask({ operation: FLUSH, id: 1 });
  w.settle();
  expect(w.backState(5)).toBe('4');
  front.kick();
  w.settle();
  expect(front.answers()).toEqual([{ id: 1, operation: FLUSH, status: 0 }]);
});

test('XBDBACK-7: what is written is read back, through pages of its own and parts of pages', () => {
  const { w, disk, front } = connected();
  const out = [front.grant(20), front.grant(21)];
  for (const [i, page] of out.entries()) page.fill(0x40 + i);
  front.ask({
    operation: WRITE,
    id: 1,
    sector: 100,
    segments: [
      { gref: 20, first: 0, last: 7 },
      { gref: 21, first: 2, last: 3 },
    ],
  });
  w.settle();
  expect(
    disk.bytes.subarray(100 * 512, 110 * 512).every((b, i) => b === (i < 4096 ? 0x40 : 0x41)),
  ).toBe(true);
  const into = front.grant(22);
  front.ask({ operation: READ, id: 2, sector: 107, segments: [{ gref: 22, first: 1, last: 2 }] });
  w.settle();
  expect(into[511]).toBe(0);
  expect(into[512]).toBe(0x40);
  expect(into[1024]).toBe(0x41);
  expect(into[1536]).toBe(0);
  expect(front.answers()).toEqual([
    { id: 1, operation: WRITE, status: 0 },
    { id: 2, operation: READ, status: 0 },
  ]);
  expect(w.back.completed).toBe(2);
});

test('XBDBACK-6: a barrier and a flush come after all before them and before all after them', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const { w, disk, front } = connected(seed);
    front.grant(20);
    const segments = [{ gref: 20, first: 0, last: 0 }];
    const write = (id: number) => ({ operation: WRITE, id, sector: id, segments });
    front.ask(
      ...[0, 1, 2, 3].map(write),
      { operation: BARRIER, id: 4, sector: 4, segments },
      ...[5, 6, 7, 8].map(write),
      { operation: FLUSH, id: 9 },
      ...[10, 11].map(write),
    );
    w.settle(20_000_000);
    expect(disk.log.slice(0, 4).toSorted()).toEqual([0, 1, 2, 3].map((i) => `write ${i} 1`));
    expect(disk.log.slice(4, 7)).toEqual(['flush', 'write 4 1', 'flush']);
    expect(disk.log.slice(7, 11).toSorted()).toEqual([5, 6, 7, 8].map((i) => `write ${i} 1`));
    expect(disk.log[11]).toBe('flush');
    expect(
      front
        .answers()
        .map((a) => a.id)
        .toSorted((a, b) => a - b),
    ).toEqual(Array.from({ length: 12 }, (_, i) => i));
  }
});

test('XBDBACK-7: the front end is notified when it asked for it and not otherwise', () => {
  const { w, front } = connected();
  front.ask({ operation: FLUSH, id: 1 }, { operation: FLUSH, id: 2 });
  w.settle();
  expect(front.rung).toBe(1);
  front.answers();
  front.ask({ operation: FLUSH, id: 3 });
  w.settle();
  expect(front.rung).toBe(2);
});

test('XBDBACK-4: a failing disk, a grant that is no good and a page that is read-only fail their own request', () => {
  const { w, disk, front } = connected();
  front.grant(20);
  front.grant(21, true);
  const segment = (gref: number) => [{ gref, first: 0, last: 0 }];
  front.ask(
    { operation: READ, id: 1, segments: segment(99) },
    { operation: FLUSH, id: 0 },
    { operation: READ, id: 2, segments: segment(21) },
    { operation: FLUSH, id: 0 },
    { operation: WRITE, id: 3, segments: segment(99) },
    { operation: FLUSH, id: 0 },
    { operation: WRITE, id: 4, segments: segment(21) },
  );
  w.settle(10_000_000);
  const statuses = () =>
    front
      .answers()
      .filter((a) => a.id > 0)
      .map((a) => [a.id, a.status]);
  expect(statuses()).toEqual([
    [1, -1],
    [2, -1],
    [3, -1],
    [4, 0],
  ]);
  expect(disk.log.filter((line) => line.startsWith('write'))).toEqual(['write 0 1']);
  disk.broken = true;
  front.ask({ operation: READ, id: 5, segments: segment(20) });
  w.settle();
  disk.broken = false;
  front.ask({ operation: READ, id: 6, segments: segment(20) });
  w.settle();
  expect(statuses()).toEqual([
    [5, -1],
    [6, 0],
  ]);
});

test('XBDBACK-8: Closing is answered when all that was taken has been, and then Closed lets everything go', () => {
  const { w, disk, front } = connected();
  front.grant(20);
  front.ask(
    ...[1, 2, 3].map((id) => ({
      operation: WRITE,
      id,
      segments: [{ gref: 20, first: 0, last: 7 }],
    })),
  );
  front.write('state', 5);
  w.settle(100_000);
  expect(w.backState(5)).toBe('4');
  w.settle(3_000_000);
  expect(front.answers().length).toBe(3);
  expect(w.backState(5)).toBe('5');
  expect(w.xen.mapped).toBe(0);
  front.state(6);
  expect(w.backState(5)).toBe('6');
  expect(disk.closed).toBe(1);
  w.store.rm(w.backPath(5));
  w.settle();
  nothingHeld(w);
});

test('XBDBACK-8: after Closed a front end that begins again is served again', () => {
  const { w, front } = connected();
  front.state(5);
  front.state(6);
  front.state(1);
  expect(w.backState(5)).toBe('2');
  const again = new Front(w, 5, 51712, 9, 10);
  again.state(3);
  expect(w.backState(5)).toBe('4');
  again.ask({ operation: FLUSH, id: 1 });
  w.settle();
  expect(again.answers().length).toBe(1);
});

test('XBDBACK-9: a front end directory that is gone is not waited for', () => {
  const { w, disk, front } = connected();
  front.grant(20);
  front.ask({ operation: WRITE, id: 1, segments: [{ gref: 20, first: 0, last: 7 }] });
  w.store.rm(w.frontPath(5));
  w.settle(100_000);
  expect(w.backState(5)).toBe('6');
  w.settle(10_000_000);
  expect(disk.log).toEqual([]);
  expect(front.answers()).toEqual([]);
  w.store.rm('/local/domain/0/backend/vbd/5');
  w.settle();
  nothingHeld(w);
  expect(w.store.directory('/local/domain/0/backend/vbd')).toEqual([]);
});

test('XBDBACK-8: a device taken offline before it was connected is closed', () => {
  const w = world();
  w.disks.set('disk', new PlainDisk(10));
  w.addDevice(5, 'disk');
  w.settle();
  w.store.write(`${w.backPath(5)}/online`, '0');
  w.store.write(`${w.backPath(5)}/state`, '5');
  w.settle();
  expect(w.backState(5)).toBe('6');
});

test('XBDBACK-11: a directory that is removed while it is served leaves nothing, and is not brought back', () => {
  const { w, front } = connected();
  front.ask({ operation: FLUSH, id: 1 });
  w.store.rm('/local/domain/0/backend/vbd');
  w.settle();
  nothingHeld(w);
  expect(w.store.tryRead('/local/domain/0/backend/vbd')).toBeUndefined();
  w.addDevice(6, 'disk');
  w.settle();
  expect(w.backState(6)).toBe('2');
});

test('XBDBACK-10: a disk that cannot be opened is told where the toolstack looks, once', () => {
  const w = world();
  w.addDevice(5, 'nowhere');
  w.settle();
  expect(w.backState(5)).toBe('6');
  expect(w.store.read(`${w.backPath(5)}/hotplug-status`)).toBe('error');
  expect(w.store.read(`${w.backPath(5)}/hotplug-error`)).toBe('expected a disk, found no nowhere');
  expect(w.story.length).toBe(1);
});

test('XBDBACK-12: requests and responses are traced, and a fault at xbdback.answer swallows a response', () => {
  const { w, front } = connected();
  const events: unknown[][] = [];
  w.sim.trace.listen((kind, domid, particulars) => events.push([kind, domid, ...particulars]));
  front.grant(20);
  w.sim.faults.arm(
    'xbdback.answer',
    ([domid, devid, id]) => domid === 5 && devid === 51712 && id === 2,
  );
  const completed: number[] = [];
  w.back.onComplete((total) => completed.push(total));
  const segments = [{ gref: 20, first: 0, last: 7 }];
  front.ask({ operation: WRITE, id: 1, sector: 3, segments });
  w.settle();
  front.ask({ operation: READ, id: 2, sector: 3, segments });
  w.settle();
  front.ask({ operation: 5, id: 3, sector: 3, segments });
  w.settle();
  expect(front.answers().map((a) => [a.id, a.status])).toEqual([
    [1, 0],
    [3, -2],
  ]);
  expect(completed).toEqual([1, 2]);
  expect(events.filter(([kind]) => kind === 'ring')).toEqual([
    ['ring', 5, 'blk-request', 51712, 1, 1, 3, 1, 8],
    ['ring', 5, 'blk-response', 51712, 1, 1, 0],
    ['ring', 5, 'blk-request', 51712, 0, 2, 3, 1, 8],
    ['ring', 5, 'blk-request', 51712, 5, 3, 3, 1, 0],
    ['ring', 5, 'blk-response', 51712, 5, 3, -2],
  ]);
});

test('XBDBACK-8: a response that was swallowed does not hold up Closing', () => {
  const { w, front } = connected();
  w.sim.faults.arm('xbdback.answer', () => true);
  front.ask({ operation: FLUSH, id: 1 });
  front.state(5);
  w.settle();
  expect(w.backState(5)).toBe('5');
});
