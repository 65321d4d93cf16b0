import {
  BLKIF_BE_STATUS_ERROR,
  BLKIF_BE_STATUS_EXTENT_NOT_FOUND,
  BLKIF_BE_STATUS_INTERFACE_CONNECTED,
  BLKIF_BE_STATUS_INTERFACE_EXISTS,
  BLKIF_BE_STATUS_INTERFACE_NOT_FOUND,
  BLKIF_BE_STATUS_MAPPING_ERROR,
  BLKIF_BE_STATUS_OKAY,
  BLKIF_BE_STATUS_VBD_EXISTS,
  BLKIF_BE_STATUS_VBD_NOT_FOUND,
  BLKIF_OP_PROBE,
  BLKIF_OP_READ,
  BLKIF_OP_WRITE,
  blkif_be_connect,
  blkif_be_create,
  blkif_be_vbd_create,
  blkif_be_vbd_destroy,
  blkif_be_vbd_grow,
  CMSG_BLKIF_BE_CONNECT,
  CMSG_BLKIF_BE_CREATE,
  CMSG_BLKIF_BE_DESTROY,
  CMSG_BLKIF_BE_DISCONNECT,
  CMSG_BLKIF_BE_VBD_CREATE,
  CMSG_BLKIF_BE_VBD_DESTROY,
  CMSG_BLKIF_BE_VBD_GROW,
  CMSG_BLKIF_BE_VBD_SHRINK,
  VDISK_FLAG_RO,
  VDISK_TYPE_DISK,
  xen2_blkif_ring,
  xen2_vdisk,
} from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PlainDisk, world } from './world.ts';
import { send, Xen2Front } from './xen2-front.ts';

const XVDA = 51712;
const XVDB = 51728;
const whole = (mfn: number) => ({ mfn, first: 0, last: 7 });

/** Domain 5 with a disk of 1000 sectors to write and one of 64 to read, connected. */
const guest = () => {
  const w = world();
  w.disks.set('a', new PlainDisk(1000));
  w.disks.set('b', new PlainDisk(64));
  const front = new Xen2Front(w, 5);
  front.addDisk('a', XVDA);
  front.addDisk('b', XVDB, true);
  expect(front.connect()).toBe(BLKIF_BE_STATUS_OKAY);
  const disk = w.disks.get('a') as PlainDisk;
  return { w, front, disk };
};

test('XBDBACK-20: a guest finds by PROBE every disk, its size, and whether it may write there', () => {
  const { w, front } = guest();
  const page = new BytesMemory(front.frame(1));
  front.ask({ operation: BLKIF_OP_PROBE, id: 9, segments: [whole(1)] });
  expect(front.answers()).toEqual([{ id: 9, operation: BLKIF_OP_PROBE, status: 2 }]);
  const disks = [0, 12].map((at) => xen2_vdisk.at(page, at));
  expect(disks.map(({ capacity, device, info }) => ({ capacity, device, info }))).toEqual([
    { capacity: 1000, device: XVDA, info: VDISK_TYPE_DISK },
    { capacity: 64, device: XVDB, info: VDISK_TYPE_DISK | VDISK_FLAG_RO },
  ]);
  front.frame(2, true);
  front.ask(
    { operation: BLKIF_OP_PROBE, id: 1, segments: [{ mfn: 1, first: 0, last: 6 }] },
    { operation: BLKIF_OP_PROBE, id: 2, segments: [] },
    { operation: BLKIF_OP_PROBE, id: 3, segments: [whole(2)] },
    { operation: BLKIF_OP_PROBE, id: 4, segments: [whole(3)] },
  );
  expect(front.answers().map(({ status }) => status)).toEqual([-1, -1, -1, -1]);
  expect(w.xen.mapped).toBe(1);
});

test('XBDBACK-20, XBDBACK-21: what is written by machine address is on the medium when it is answered, and is read back', () => {
  const { w, front, disk } = guest();
  front.frame(1).fill(0x11);
  front.frame(2).fill(0x22);
  front.ask({
    operation: BLKIF_OP_WRITE,
    id: 0xffff_fffe,
    device: XVDA,
    sector: 10,
    segments: [whole(1), { mfn: 2, first: 3, last: 3 }],
  });
  expect(front.answers()).toEqual([]);
  w.settle();
  expect(front.answers()).toEqual([{ id: 0xffff_fffe, operation: BLKIF_OP_WRITE, status: 0 }]);
  expect(disk.log).toEqual(['write 10 9', 'flush']);
  const back = front.frame(3);
  front.ask({
    operation: BLKIF_OP_READ,
    id: 1,
    device: XVDA,
    sector: 17,
    segments: [{ mfn: 3, first: 2, last: 3 }],
  });
  w.settle();
  expect(front.answers()).toEqual([{ id: 1, operation: BLKIF_OP_READ, status: 0 }]);
  expect([back[1023], back[1024], back[1536], back[2048]]).toEqual([0, 0x11, 0x22, 0]);
  expect(front.rung).toBe(2);
  expect(w.back.completed).toBe(2);
  expect(w.xen.mapped).toBe(1);
});

test('XBDBACK-22: a request for no disk of its own, a frame that is another’s, or one not to be written fails alone', () => {
  const { w, front, disk } = guest();
  front.frame(1);
  front.frame(2, true);
  w.xen.frame(6, 3);
  const read = { operation: BLKIF_OP_READ, device: XVDA };
  const write = { operation: BLKIF_OP_WRITE, device: XVDA };
  front.ask(
    { ...read, id: 1, device: 7, segments: [whole(1)] },
    { ...read, id: 2, segments: [whole(2)] },
    { ...read, id: 3, segments: [whole(3)] },
    { ...write, id: 4, segments: [whole(1), whole(3)] },
    { ...write, id: 5, device: XVDB, segments: [whole(1)] },
    { ...read, id: 6, sector: 993, segments: [whole(1)] },
    { ...read, id: 7, operation: 3, segments: [whole(1)] },
    { ...read, id: 8, segments: [{ mfn: 1, first: 4, last: 3 }] },
    { ...read, id: 9, segments: Array.from({ length: 12 }, () => whole(1)).slice(0, 0) },
    { ...write, id: 10, segments: [whole(2)] },
  );
  w.settle(10_000_000);
  const status = new Map(front.answers().map(({ id, status }) => [id, status]));
  expect(status.size).toBe(10);
  for (let id = 1; id < 10; id++) expect([id, status.get(id)]).toEqual([id, -1]);
  expect(status.get(10)).toBe(0);
  expect(disk.log.filter((line) => line.startsWith('write'))).toEqual(['write 0 8']);
  expect(w.xen.mapped).toBe(1);
});

test('XBDBACK-23: messages that cannot be done say why, and leave all as it was', () => {
  const { w, front } = guest();
  const of = { domid: 5 };
  const vbd = { ...of, vdevice: XVDA };
  const results = [
    send(w, CMSG_BLKIF_BE_CREATE, blkif_be_create, of),
    send(w, CMSG_BLKIF_BE_CREATE, blkif_be_create, { ...of, blkif_handle: 1 }),
    send(w, CMSG_BLKIF_BE_DESTROY, blkif_be_create, of),
    send(w, CMSG_BLKIF_BE_DESTROY, blkif_be_create, { domid: 6 }),
    front.connect(),
    send(w, CMSG_BLKIF_BE_VBD_CREATE, blkif_be_vbd_create, vbd),
    send(w, CMSG_BLKIF_BE_VBD_GROW, blkif_be_vbd_grow, { ...of, vdevice: 3 }),
    send(w, CMSG_BLKIF_BE_VBD_GROW, blkif_be_vbd_grow, vbd),
    send(w, CMSG_BLKIF_BE_VBD_SHRINK, blkif_be_vbd_destroy, { ...of, vdevice: 3 }),
    send(w, CMSG_BLKIF_BE_VBD_DESTROY, blkif_be_vbd_destroy, { ...of, vdevice: 3 }),
    send(w, CMSG_BLKIF_BE_VBD_CREATE, blkif_be_vbd_create, { ...of, vdevice: 3 }),
    send(w, CMSG_BLKIF_BE_VBD_GROW, blkif_be_vbd_grow, { ...of, vdevice: 3 }),
    send(w, CMSG_BLKIF_BE_VBD_SHRINK, blkif_be_vbd_destroy, { ...of, vdevice: 3 }),
    send(w, 99, blkif_be_create, of),
    send(w, CMSG_BLKIF_BE_CREATE, blkif_be_connect, { domid: 9 }),
  ];
  expect(results).toEqual([
    BLKIF_BE_STATUS_INTERFACE_EXISTS,
    BLKIF_BE_STATUS_OKAY,
    BLKIF_BE_STATUS_INTERFACE_CONNECTED,
    BLKIF_BE_STATUS_INTERFACE_NOT_FOUND,
    BLKIF_BE_STATUS_INTERFACE_CONNECTED,
    BLKIF_BE_STATUS_VBD_EXISTS,
    BLKIF_BE_STATUS_VBD_NOT_FOUND,
    BLKIF_BE_STATUS_ERROR,
    BLKIF_BE_STATUS_VBD_NOT_FOUND,
    BLKIF_BE_STATUS_VBD_NOT_FOUND,
    BLKIF_BE_STATUS_OKAY,
    BLKIF_BE_STATUS_EXTENT_NOT_FOUND,
    BLKIF_BE_STATUS_EXTENT_NOT_FOUND,
    undefined,
    undefined,
  ]);
  expect(w.back.devices).toBe(5);
});

test('XBDBACK-23: a ring that is another’s frame or no frame, and a port that is no good, connect nothing', () => {
  const w = world();
  const front = new Xen2Front(w, 5);
  const connect = (shmem_frame: number, evtchn: number) =>
    send(w, CMSG_BLKIF_BE_CONNECT, blkif_be_connect, { domid: 5, shmem_frame, evtchn });
  front.frame(2, true);
  for (const mfn of [0, 2, 0x101, 2 ** 20 + 0x100, 2 ** 32 + 0x100, 2 ** 63]) {
    expect([mfn, connect(mfn, 7)]).toEqual([mfn, BLKIF_BE_STATUS_MAPPING_ERROR]);
  }
  expect(connect(0x100, 8)).toBe(BLKIF_BE_STATUS_MAPPING_ERROR);
  expect(w.xen.mapped).toBe(0);
  expect(front.connect()).toBe(BLKIF_BE_STATUS_OKAY);
});

test('XBDBACK-24: what was not answered at DISCONNECT is forgotten, and the next ring is served from its beginning', () => {
  const { w, front, disk } = guest();
  front.frame(1).fill(7);
  front.ask({ operation: BLKIF_OP_WRITE, id: 1, device: XVDA, segments: [whole(1)] });
  expect(send(w, CMSG_BLKIF_BE_DISCONNECT, blkif_be_create, { domid: 5 })).toBe(0);
  w.settle(10_000_000);
  expect([front.answers(), disk.log, w.xen.mapped, w.xen.handlers.size]).toEqual([[], [], 0, 0]);
  const again = new Xen2Front(w, 5, 0x200);
  again.frame(1).fill(7);
  expect(again.connect()).toBe(BLKIF_BE_STATUS_OKAY);
  again.ask({ operation: BLKIF_OP_WRITE, id: 1, device: XVDA, segments: [whole(1)] });
  w.settle();
  expect(again.answers()).toEqual([{ id: 1, operation: BLKIF_OP_WRITE, status: 0 }]);
});

test('XBDBACK-25: a disk that is taken away answers what was taken from the ring first', () => {
  const { w, front, disk } = guest();
  front.frame(1).fill(7);
  const write = { operation: BLKIF_OP_WRITE, device: XVDA, segments: [whole(1)] };
  front.ask({ ...write, id: 1 }, { ...write, id: 2, sector: 8 });
  expect(send(w, CMSG_BLKIF_BE_VBD_SHRINK, blkif_be_vbd_destroy, { domid: 5, vdevice: XVDA })).toBe(
    0,
  );
  expect(front.answers().map(({ status }) => status)).toEqual([0, 0]);
  front.ask({ ...write, id: 3 });
  w.settle();
  expect(front.answers()).toEqual([{ id: 3, operation: BLKIF_OP_WRITE, status: -1 }]);
  send(w, CMSG_BLKIF_BE_VBD_DESTROY, blkif_be_vbd_destroy, { domid: 5, vdevice: XVDA });
  const page = front.frame(2);
  front.ask({ operation: BLKIF_OP_PROBE, id: 4, segments: [whole(2)] });
  expect(front.answers()[0]?.status).toBe(1);
  expect(xen2_vdisk.at(new BytesMemory(page), 0).device).toBe(XVDB);
  w.back.loop.detach(0x700);
  w.back.loop.detach(0x700);
  expect([disk.closed, w.back.loop.count]).toEqual([1, 1]);
});

test('XBDBACK-22: more requests than slots end the interface, once, and no other', () => {
  const { w, front } = guest();
  const good = new Xen2Front(w, 6);
  w.disks.set('c', new PlainDisk(8));
  good.addDisk('c', XVDA);
  good.connect();
  front.page.st32(xen2_blkif_ring.offset.req_prod, 65);
  front.kick();
  front.kick();
  expect(w.story.filter((line) => line.includes('disconnected'))).toEqual([
    'domain 5: expected at most 64 requests in the ring, found producer 65 with 0 taken; its interface is disconnected',
  ]);
  good.frame(1);
  good.ask({ operation: BLKIF_OP_READ, id: 1, device: XVDA, segments: [whole(1)] });
  w.settle();
  expect(good.answers()).toEqual([{ id: 1, operation: BLKIF_OP_READ, status: 0 }]);
});

const word = fc.oneof(
  fc.integer({ min: 0, max: 80 }),
  fc.integer({ min: -80, max: -1 }),
  fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
);
const deed = fc.oneof(
  fc.record({ kind: fc.constant('index' as const), at: fc.constantFrom(0, 4), word }),
  fc.record({
    kind: fc.constant('slot' as const),
    at: fc.integer({ min: 8, max: 3900 }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 120 }),
  }),
  fc.record({ kind: fc.constant('connect' as const), mfn: fc.constantFrom(1, 0x100, 0x101) }),
  fc.record({ kind: fc.constant('disconnect' as const) }),
  fc.record({ kind: fc.constant('kick' as const) }),
);

test('XBDBACK-22: whatever a guest does to its ring, nothing throws or hangs, and no page but its own is touched', () => {
  fc.assert(
    fc.property(fc.array(deed, { maxLength: 40 }), (deeds) => {
      const { w, front } = guest();
      const other = w.xen.frame(6, 3);
      for (let mfn = 1; mfn < 4; mfn++) if (mfn !== 3) front.frame(mfn, mfn === 2);
      for (const d of deeds) {
        if (d.kind === 'index') front.page.st32(d.at, d.word);
        if (d.kind === 'slot') front.page.bytes.set(d.bytes, d.at);
        if (d.kind === 'disconnect') {
          send(w, CMSG_BLKIF_BE_DISCONNECT, blkif_be_create, { domid: 5 });
        }
        if (d.kind === 'connect') {
          w.xen.unbound.add('5 7');
          send(w, CMSG_BLKIF_BE_CONNECT, blkif_be_connect, {
            domid: 5,
            shmem_frame: d.mfn,
            evtchn: 7,
          });
        }
        front.kick();
        w.settle(300_000);
      }
      const events = w.sim.events;
      w.settle(100_000_000);
      expect(w.sim.events - events).toBeLessThan(400);
      send(w, CMSG_BLKIF_BE_DISCONNECT, blkif_be_create, { domid: 5 });
      expect(w.xen.mapped).toBe(0);
      expect(w.xen.handlers.size).toBe(0);
      expect(other.every((byte) => byte === 0)).toBe(true);
    }),
    { numRuns: 200 },
  );
});
