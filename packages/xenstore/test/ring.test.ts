import { XS_DIRECTORY, XS_READ, XS_WATCH, XS_WRITE } from '@port-xen/abi';
import { describe, expect, test } from 'vitest';
import { encodeMessage } from '../src/index.ts';
import { Guest, makeWorld } from './world.ts';

const home = (dom0: ReturnType<typeof makeWorld>['dom0'], domid: number): void => {
  dom0.mkdir(`/local/domain/${domid}`);
  dom0.setPermissions(`/local/domain/${domid}`, [{ domid, access: 'n' }]);
};

describe('ring', () => {
  test('RING-1: requests are answered after the latency, with one notification', () => {
    const { sim, daemon, dom0, settle } = makeWorld();
    home(dom0, 1);
    const guest = new Guest(daemon, 1);
    guest.send(XS_WRITE, 'data\0hello', 7);
    guest.send(XS_READ, 'data\0', 8);
    expect(guest.notified).toBe(0);
    settle();
    expect(sim.now_ns).toBe(1000);
    expect(guest.notified).toBe(1);
    guest.take();
    expect(guest.received.map((m) => m.requestId)).toEqual([7, 8]);
    expect(guest.replies()).toEqual(['11 OK|', '2 hello']);
  });

  test('RING-2: a reply larger than the ring goes on as the guest takes it', () => {
    const { daemon, dom0, settle } = makeWorld();
    home(dom0, 1);
    const value = 'v'.repeat(4000);
    dom0.write('/local/domain/1/big', value);
    dom0.setPermissions('/local/domain/1/big', [{ domid: 1, access: 'n' }]);
    const guest = new Guest(daemon, 1);
    guest.send(XS_READ, 'big\0');
    for (let i = 0; i < 50; i++) {
      settle();
      guest.take(100);
    }
    expect(guest.replies()).toEqual([`2 ${value}`]);
  });

  test('RING-3: a request may come in pieces, across the end of the ring', () => {
    const { daemon, dom0, settle } = makeWorld();
    home(dom0, 1);
    const guest = new Guest(daemon, 1);
    for (let round = 0; round < 40; round++) {
      const text = `data\0${'x'.repeat(round * 3)}`;
      const message = new Uint8Array(16 + text.length);
      message[0] = XS_WRITE;
      message[12] = text.length;
      for (let i = 0; i < text.length; i++) message[16 + i] = text.charCodeAt(i);
      for (let at = 0; at < message.length; at += 11) {
        guest.put(message.subarray(at, at + 11));
        settle();
      }
      expect(guest.replies()).toEqual(['11 OK|']);
    }
  });

  test('RING-4: indices out of range cost that connection only', () => {
    const { daemon, dom0, settle } = makeWorld();
    home(dom0, 1);
    home(dom0, 2);
    const bad = new Guest(daemon, 1);
    const good = new Guest(daemon, 2);
    bad.send(XS_WATCH, 'x\0t\0');
    settle();
    expect(daemon.counters().watches).toBe(1);
    bad.ring.req_prod = 5000;
    daemon.kick(1);
    good.send(XS_DIRECTORY, 'none\0');
    settle();
    expect(daemon.isBroken(1)).toBe(true);
    expect(bad.ring.error).toBe(2);
    expect(daemon.counters().watches).toBe(0);
    expect(good.replies()).toEqual(['16 ENOENT|']);
  });

  test('RING-5: XS_INTRODUCE drops everything and puts the indices to zero', () => {
    let guest: Guest | undefined;
    const world = makeWorld({
      onIntroduce: () =>
        guest === undefined ? 'EINVAL' : { ring: guest.memory, notify: () => undefined },
    });
    home(world.dom0, 1);
    guest = new Guest(world.daemon, 1);
    guest.send(XS_WATCH, 'x\0t\0');
    world.settle();
    guest.put(new Uint8Array(5));
    world.settle();
    world.dom0.introduce(1, 1234, 1);
    expect(world.daemon.counters().watches).toBe(0);
    const { ring } = guest;
    expect([ring.req_cons, ring.req_prod, ring.rsp_cons, ring.rsp_prod]).toEqual([0, 0, 0, 0]);
    guest.send(XS_WRITE, 'a\0b');
    world.settle();
    expect(guest.replies()).toEqual(['11 OK|']);
  });

  test('RING-9: a domain that does not take its answers is not read from, and others are', () => {
    const { daemon, dom0, settle } = makeWorld();
    for (const domid of [1, 2]) home(dom0, domid);
    dom0.write('/local/domain/1/big', 'x'.repeat(2000));
    dom0.setPermissions('/local/domain/1/big', [{ domid: 1, access: 'n' }]);
    const greedy = new Guest(daemon, 1);
    const other = new Guest(daemon, 2);
    const request = encodeMessage(XS_READ, 1, 0, new TextEncoder().encode('big\0'));
    let sent = 0;
    for (let turn = 0; turn < 200; turn++) {
      for (let put = request.length; put > 0 && sent < 1e6; sent += put) {
        put = greedy.put(request.subarray(sent % request.length));
      }
      settle();
      other.send(XS_READ, 'none\0');
      settle();
      expect(other.replies()).toEqual(['16 ENOENT|']);
    }
    expect(sent).toBe(1024 + 20 * request.length);
    for (let turn = 0; turn < 200; turn++) {
      greedy.take();
      settle();
    }
    expect(greedy.received).toHaveLength(Math.floor(sent / request.length));
  });
});
