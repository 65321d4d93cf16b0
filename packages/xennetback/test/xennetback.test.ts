import { describe, expect, test } from 'vitest';
import { etherFrame, Front, mac, tcpFrame } from './front.ts';
import { type World, world } from './world.ts';

const CSUM_BLANK = 1;
const VALIDATED = 2;
const MORE_DATA = 4;
const EXTRA = 8;
const HASH = 4;
const GSO = 1;
const ERROR = -1;
const NULL = 1;

/** A host on whose bridge domain 5 and a peer are; the peer has been heard. */
const connected = (
  features: Parameters<typeof world>[0] = {},
  nodes: Record<string, string> = {},
  cable: Parameters<typeof world>[1] = {},
) => {
  const w = world(features, cable);
  w.addDevice(5);
  w.peer.send({ bytes: etherFrame(8, 9), checksum: 'none' });
  w.settle();
  // It was flooded to the domain too, which is not connected yet.
  expect(w.back.counters.rxDropped).toBe(1);
  const front = new Front(w, 5, nodes);
  front.state(4);
  return { w, front };
};

const nothingHeld = (w: World) => {
  expect(w.xen.mapped).toBe(0);
  expect(w.xen.handlers.size).toBe(0);
  expect(w.back.devices).toBe(0);
  expect(w.bridge.ports).toBe(1);
  expect(w.xenstored.counters().watches).toBe(1);
};

test('VIF-1: features are published before InitWait; the rings are mapped when the front end is Connected, not before', () => {
  const w = world({ checksumOffload: false });
  w.addDevice(5);
  expect(w.backState(5)).toBe('2');
  const published = Object.fromEntries(
    w.store
      .directory(w.backPath(5))
      .map((name) => [name, w.store.read(`${w.backPath(5)}/${name}`)]),
  );
  expect(published).toMatchObject({
    'feature-sg': '1',
    'feature-no-csum-offload': '1',
    'feature-rx-copy': '1',
    'feature-rx-flip': '0',
    'hotplug-status': 'connected',
  });
  const front = new Front(w, 5);
  front.state(3);
  expect([w.backState(5), w.xen.mapped]).toEqual(['2', 0]);
  front.state(4);
  expect([w.backState(5), w.xen.mapped]).toEqual(['4', 2]);
});

test('VIF-2: a bridge that this host does not have is told where the toolstack looks', () => {
  const w = world();
  w.addDevice(5, { bridge: 'xenbr7' });
  expect(w.backState(5)).toBe('6');
  expect(w.store.read(`${w.backPath(5)}/hotplug-status`)).toBe('error');
  expect(w.store.read(`${w.backPath(5)}/hotplug-error`)).toBe(
    'expected a bridge of this host, found xenbr7',
  );
});

test('VIF-3: Closing lets the rings go and keeps the place on the bridge; Closed leaves it; Initialising comes back', () => {
  const { w, front } = connected();
  front.state(5);
  expect([w.backState(5), w.xen.mapped, w.bridge.ports]).toEqual(['5', 0, 2]);
  front.state(6);
  expect([w.backState(5), w.bridge.ports]).toEqual(['6', 1]);
  front.state(1);
  expect([w.backState(5), w.bridge.ports]).toEqual(['2', 2]);
  new Front(w, 5).state(4);
  expect(w.backState(5)).toBe('4');
});

test('VIF-3: a directory that is removed takes its interface with it, frames under way included', () => {
  const { w, front } = connected();
  front.grant(20).set(etherFrame(9, 5));
  front.transmit({ gref: 20, size: 60 });
  w.peer.send({ bytes: etherFrame(5, 9), checksum: 'none' });
  w.store.rm('/local/domain/0/backend/vif/5');
  w.settle();
  nothingHeld(w);
});

test('VIF-4: a packet of one slot is copied, answered and sent', () => {
  const { w, front } = connected();
  front.grant(20).set(etherFrame(9, 5, 60, 0x77), 100);
  front.transmit({ gref: 20, offset: 100, size: 60, id: 33 });
  expect(front.transmitted()).toEqual([[33, 0]]);
  expect(w.heard).toEqual([{ bytes: etherFrame(9, 5, 60, 0x77), checksum: 'none' }]);
  expect(w.back.counters).toMatchObject({ txFrames: 1, txBytes: 60, txErrors: 0 });
  expect(w.bridge.portOf(Uint8Array.from(mac(5)))).toBe('vif5.0');
});

test('VIF-4: a packet of three slots is put together; the first slot says the size of the whole', () => {
  const { w, front } = connected();
  const whole = etherFrame(9, 5, 9000, 0x11).map((byte, i) => (i < 14 ? byte : i & 255));
  front.grant(20).set(whole.subarray(0, 1000), 3096);
  front.grant(21).set(whole.subarray(1000, 5000), 0);
  front.grant(22).set(whole.subarray(5000), 96);
  front.transmit(
    { gref: 20, offset: 3096, size: 9000, id: 1, flags: MORE_DATA },
    { gref: 21, offset: 0, size: 4000, id: 2, flags: MORE_DATA },
    { gref: 22, offset: 96, size: 4000, id: 3 },
  );
  expect(front.transmitted()).toEqual([
    [1, 0],
    [2, 0],
    [3, 0],
  ]);
  expect(w.heard.map(({ bytes }) => bytes)).toEqual([whole]);
});

test('VIF-5: extra information is passed over and answered by NULL; what was not offered is not sent', () => {
  const { w, front } = connected();
  front.grant(20).set(etherFrame(9, 5));
  front.transmit(
    { gref: 20, size: 60, id: 1, flags: EXTRA },
    { type: HASH, more: true },
    { type: HASH },
    { gref: 20, size: 60, id: 2, flags: EXTRA | MORE_DATA },
    { type: GSO },
    { gref: 20, size: 30, id: 3 },
  );
  expect(front.transmitted()).toEqual([
    [1, 0],
    [0, NULL],
    [0, NULL],
    [2, ERROR],
    [0, NULL],
    [3, ERROR],
  ]);
  expect(w.heard.length).toBe(1);
  expect(w.backState(5)).toBe('4');
});

test('VIF-6: without scatter-gather a chain is answered with an error, slot by slot, and single slots go on', () => {
  const { w, front } = connected({ sg: false });
  front.grant(20).set(etherFrame(9, 5));
  front.transmit(
    { gref: 20, size: 60, id: 1, flags: MORE_DATA },
    { gref: 20, size: 20, id: 2 },
    { gref: 20, size: 60, id: 3 },
  );
  expect(front.transmitted()).toEqual([
    [1, ERROR],
    [2, ERROR],
    [3, 0],
  ]);
  expect(w.heard.length).toBe(1);
  expect(w.back.counters).toMatchObject({ txFrames: 1, txErrors: 1 });
});

test('VIF-7: a blank checksum is taken when that was offered, and taken for the checksum when it was not', () => {
  for (const [checksumOffload, expected] of [
    [true, 'blank'],
    [false, 'none'],
  ] as const) {
    const { w, front } = connected({ checksumOffload });
    front.grant(20).set(tcpFrame(9, 5));
    front.transmit({ gref: 20, size: 54, flags: CSUM_BLANK | VALIDATED });
    expect(front.transmitted()).toEqual([[0, 0]]);
    expect(w.heard.map(({ checksum }) => checksum)).toEqual([expected]);
  }
  const { w, front } = connected();
  front.grant(20).set(etherFrame(9, 5));
  front.transmit({ gref: 20, size: 60, flags: CSUM_BLANK });
  expect(front.transmitted()).toEqual([[0, ERROR]]);
  expect(w.heard).toEqual([]);
});

test('VIF-8: a frame for the guest is copied into the pages it posted, in their order', () => {
  const { w, front } = connected();
  const [a, b, c] = [20, 21, 22, 23].map((ref) => front.grant(ref)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  front.post(20, 21, 22, 23);
  const long = etherFrame(5, 9, 9000, 0x5a);
  w.peer.send({ bytes: long, checksum: 'validated' });
  w.peer.send({ bytes: etherFrame(5, 9, 60, 1), checksum: 'none' });
  w.settle();
  expect(front.received()).toEqual([
    { id: 20, offset: 0, flags: VALIDATED_RX | MORE_DATA, status: 4096 },
    { id: 21, offset: 0, flags: MORE_DATA, status: 4096 },
    { id: 22, offset: 0, flags: 0, status: 808 },
    { id: 23, offset: 0, flags: 0, status: 60 },
  ]);
  const whole = Uint8Array.from([...a, ...b, ...c.subarray(0, 808)]);
  expect(whole).toEqual(long);
  expect(w.back.counters).toMatchObject({ rxFrames: 2, rxBytes: 9060 });
});

const VALIDATED_RX = 1;
const CSUM_BLANK_RX = 2;

test('VIF-7: the guest gets a blank checksum as one that need not be checked, or filled in if it asked for that', () => {
  for (const [nodes, flags] of [
    [{}, VALIDATED_RX | CSUM_BLANK_RX],
    [{ 'feature-no-csum-offload': '1' }, 0],
  ] as const) {
    const { w, front } = connected({}, nodes);
    const page = front.grant(20);
    front.post(20);
    w.peer.send({ bytes: tcpFrame(5, 9), checksum: 'blank' });
    w.settle();
    expect(front.received()).toEqual([{ id: 20, offset: 0, flags, status: 54 }]);
    expect(page[50] === 0).toBe(flags !== 0);
  }
});

test('VIF-8: frames wait for pages, in order, and the bell rings when there are enough', () => {
  const { w, front } = connected();
  for (let ref = 20; ref < 30; ref++) front.grant(ref);
  w.peer.send({ bytes: etherFrame(5, 9, 9000), checksum: 'none' });
  w.peer.send({ bytes: etherFrame(5, 9, 60), checksum: 'none' });
  w.settle();
  const before = front.rung;
  front.post(20);
  front.post(21);
  expect(front.received()).toEqual([]);
  front.post(22, 23);
  expect(front.received().map(({ status }) => status)).toEqual([4096, 4096, 808, 60]);
  expect(front.rung).toBe(before + 1);
});

test('VIF-8: a front end that does not put frames together again gets none that is longer than a page', () => {
  const { w, front } = connected({}, { 'feature-sg': '0' });
  for (let ref = 20; ref < 24; ref++) front.grant(ref);
  front.post(20, 21, 22, 23);
  w.peer.send({ bytes: etherFrame(5, 9, 4097), checksum: 'none' });
  w.peer.send({ bytes: etherFrame(5, 9, 4096), checksum: 'none' });
  w.settle();
  expect(front.received().map(({ status }) => status)).toEqual([4096]);
  expect(w.back.counters.rxDropped).toBe(2);
});

test('VIF-9: what waits is bounded; what comes while nobody is connected is dropped', () => {
  const { w, front } = connected();
  for (let i = 0; i < 600; i++) {
    w.peer.send({ bytes: etherFrame(5, 9), checksum: 'none' });
    if (i % 100 === 0) w.settle();
  }
  w.settle();
  expect(w.back.counters.rxDropped).toBe(1 + 600 - 512);
  for (let ref = 20; ref < 276; ref++) front.grant(ref);
  front.post(...Array.from({ length: 256 }, (_, i) => i + 20));
  expect(front.received().length).toBe(256);
  front.state(5);
  w.peer.send({ bytes: etherFrame(5, 9), checksum: 'none' });
  w.settle();
  expect(w.back.counters.rxDropped).toBe(1 + 600 - 256 + 1);
});

test('VIF-10: while the cable is full requests stay in the ring, and none is lost', () => {
  // 10 Mbit/s: 64 frames of 1500 bytes take 78 ms.
  const cable = { toBridge: { bandwidth_bps: 10e6, queue_bytes: 70_000 } };
  const { w, front } = connected({}, {}, cable);
  front.grant(20).set(etherFrame(9, 5, 1500));
  front.transmit(...Array.from({ length: 64 }, (_, id) => ({ gref: 20, size: 1500, id })));
  const first = front.transmitted().length;
  expect(first).toBeGreaterThan(2);
  expect(first).toBeLessThan(10);
  w.settle(100_000_000);
  expect(front.transmitted().length).toBe(64 - first);
  expect(w.heard.length).toBe(64);
  front.transmit({ gref: 20, size: 1500, id: 64 });
  w.settle(10_000_000);
  expect(w.heard.length).toBe(65);
});

test('VIF-10: an interface with a rate sends no faster, and loses nothing', () => {
  const w = world();
  // A megabyte a second.
  w.addDevice(5, { rate: '50000,50000' });
  const front = new Front(w, 5);
  front.state(4);
  front.grant(20).set(etherFrame(9, 5, 1000));
  for (let round = 0; round < 4; round++) {
    front.transmit(...Array.from({ length: 250 }, (_, id) => ({ gref: 20, size: 1000, id })));
    w.settle(250_000_000);
    front.transmitted();
  }
  expect(w.heard.length).toBeGreaterThan(900);
  expect(w.heard.length).toBeLessThan(1000);
  w.settle(200_000_000);
  expect(w.heard.length).toBe(1000);
});

test('VIF-10: a front end that closes while the cable is full is not served when there is room', () => {
  const cable = { toBridge: { bandwidth_bps: 10e6, queue_bytes: 70_000 } };
  const { w, front } = connected({}, {}, cable);
  front.grant(20).set(etherFrame(9, 5, 1500));
  front.transmit(...Array.from({ length: 64 }, (_, id) => ({ gref: 20, size: 1500, id })));
  front.state(5);
  const answered = front.transmitted().length;
  w.settle(100_000_000);
  expect(front.transmitted()).toEqual([]);
  expect(w.heard.length).toBe(answered);
});

test('VIF-11: a listener hears each frame that passed, with its interface and direction, in order', () => {
  const { w, front } = connected();
  const passed: string[] = [];
  w.back.listen(({ name, mac: address }, direction, { bytes }) =>
    passed.push(`${name} ${address} ${direction} ${bytes.length}`),
  );
  front.grant(20).set(etherFrame(9, 5));
  front.grant(21);
  front.post(21);
  front.transmit({ gref: 20, size: 60 });
  w.peer.send({ bytes: etherFrame(5, 9, 70), checksum: 'none' });
  w.settle();
  expect(passed).toEqual(['vif5.0 00:16:3e:00:00:05 out 60', 'vif5.0 00:16:3e:00:00:05 in 70']);
});

test('VIF-12: a swallowed answer leaves its request to the front end, and the packet has gone out', () => {
  const { w, front } = connected();
  w.sim.faults.arm(
    'xennetback.answer',
    ([domid, devid, id]) => domid === 5 && devid === 0 && id === 2,
  );
  front.grant(20).set(etherFrame(9, 5));
  front.transmit(...[1, 2, 3].map((id) => ({ gref: 20, size: 60, id })));
  expect(front.transmitted()).toEqual([
    [1, 0],
    [3, 0],
  ]);
  expect(w.heard.length).toBe(3);
});

test('VIF-13: frames each way are traced', () => {
  const { w, front } = connected();
  const events: unknown[] = [];
  w.sim.trace.listen((kind, domid, particulars) => {
    if (kind === 'ring') events.push([domid, ...particulars]);
  });
  front.grant(20).set(etherFrame(9, 5));
  front.grant(21);
  front.post(21);
  front.transmit({ gref: 20, size: 60, flags: 0 });
  w.peer.send({ bytes: etherFrame(5, 9, 70), checksum: 'none' });
  w.settle();
  expect(events).toEqual([
    [5, 'net-tx', 0, 1, 60, 0, 0],
    [5, 'net-rx', 0, 1, 70, 0],
  ]);
});

describe('a back end that does not copy flips pages', () => {
  const flipping = () => {
    const w = world({ rxCopy: false });
    w.addDevice(5);
    const front = new Front(w, 5, { 'request-rx-copy': '0' });
    front.state(4);
    return { w, front };
  };

  test('VIF-16: it says so, and serves a front end that does not ask for copies', () => {
    const { w } = flipping();
    const says = (name: string) => w.store.read(`${w.backPath(5)}/${name}`);
    expect([says('feature-rx-copy'), says('feature-rx-flip'), w.backState(5)]).toEqual([
      '0',
      '1',
      '4',
    ]);
    expect(w.story.at(-1)).toContain(', page flipping');
  });

  test('VIF-16: a front end that asks for copies is told why it gets nothing', () => {
    const w = world({ rxCopy: false });
    w.addDevice(5);
    new Front(w, 5).state(4);
    expect([w.backState(5), w.xen.mapped]).toEqual(['5', 0]);
    expect(w.story.at(-1)).toMatch(/expected no 1 in .*request-rx-copy, since pages are flipped/);
  });

  test('VIF-16: each page of a frame is given to the reference of its request, the rest of it zero', () => {
    const { w, front } = flipping();
    for (const ref of [21, 22, 23]) w.xen.given.set(`5 ${ref}`, undefined);
    front.post(21, 22, 23);
    w.peer.send({ bytes: etherFrame(5, 9, 70, 0xaa), checksum: 'validated' });
    w.peer.send({ bytes: etherFrame(5, 9, 5000, 0xbb), checksum: 'none' });
    w.settle();
    expect(front.received()).toEqual([
      { id: 21, offset: 0, flags: 1, status: 70 },
      { id: 22, offset: 0, flags: 4, status: 4096 },
      { id: 23, offset: 0, flags: 0, status: 904 },
    ]);
    const page = (ref: number) => w.xen.given.get(`5 ${ref}`) as Uint8Array;
    const whole = (bytes: Uint8Array) => {
      const all = new Uint8Array(4096);
      all.set(bytes);
      return all;
    };
    const long = etherFrame(5, 9, 5000, 0xbb);
    expect(page(21)).toEqual(whole(etherFrame(5, 9, 70, 0xaa)));
    expect(page(22)).toEqual(long.subarray(0, 4096));
    expect(page(23)).toEqual(whole(long.subarray(4096)));
    expect(w.back.counters).toMatchObject({ rxFrames: 2, rxErrors: 0 });
  });

  test('VIF-15: a reference that takes no page loses its frame, and the next one comes', () => {
    const { w, front } = flipping();
    w.xen.given.set('5 22', undefined);
    front.grant(21);
    front.post(21, 22);
    for (let i = 0; i < 2; i++) w.peer.send({ bytes: etherFrame(5, 9), checksum: 'none' });
    w.settle();
    expect(front.received().map(({ id, status }) => [id, status])).toEqual([
      [21, -1],
      [22, 60],
    ]);
    expect(w.back.counters).toMatchObject({ rxErrors: 1, rxFrames: 1 });
  });
});
