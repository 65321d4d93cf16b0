import {
  BLKIF_OP_PROBE,
  BLKIF_OP_READ,
  blkif_fe_driver_status,
  blkif_fe_interface_connect,
  blkif_fe_interface_disconnect,
  blkif_fe_interface_status,
  CMSG_BLKIF_FE,
  CMSG_BLKIF_FE_INTERFACE_CONNECT,
  CMSG_BLKIF_FE_INTERFACE_DISCONNECT,
  CMSG_BLKIF_FE_INTERFACE_QUERY,
  CMSG_CONSOLE,
  CMSG_NETIF_FE,
  CMSG_NETIF_FE_DRIVER_STATUS,
  CMSG_NETIF_FE_INTERFACE_CONNECT,
  CMSG_SHUTDOWN,
  CMSG_SHUTDOWN_SUSPEND,
  CMSG_SHUTDOWN_SYSRQ,
  netif_fe_driver_status,
  netif_fe_interface_connect,
  netif_fe_interface_status,
  SHUTDOWN_poweroff,
  xen2_blkif_request,
  xen2_blkif_response,
  xen2_blkif_ring,
  xen2_netif_rx_response,
  xen2_netif_rx_ring,
  xen2_netif_tx_request,
  xen2_netif_tx_ring,
  xen2_shared_info,
} from '@port-xen/abi';
import { expect, test } from 'vitest';
import { diskOf, Host, nicOf } from './scripted-guest.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (chunks: readonly { bytes: Uint8Array }[]) =>
  chunks.map((chunk) => new TextDecoder().decode(chunk.bytes)).join('');
const DOWN = 0;
const UP = 1;
const [CLOSED, DISCONNECTED, CONNECTED, CHANGED] = [0, 1, 2, 3];
const XVDA = 51712;

/** A host and a guest with a disk of 64 sectors. */
const withDisk = () => {
  const host = new Host();
  const disk = host.disk('a');
  const guest = host.guest().connect({ xvda: 'a' });
  return { host, guest, disk };
};

test('DC-10: what a guest prints comes out once and in order, over many rings full', () => {
  const host = new Host();
  const guest = host.guest().connect();
  for (let i = 0; i < 40; i++) {
    guest.print(`line ${i}, and nothing else\n`);
    if (i % 8 !== 7) continue;
    guest.notify();
    host.settle();
    expect(guest.answers().map(({ bytes: { length } }) => length)).toEqual(Array(8).fill(0));
  }
  const expected = Array.from({ length: 40 }, (_, i) => `line ${i}, and nothing else\n`).join('');
  expect(host.text(guest.domid)).toBe(expected);
});

test('DC-11: what was printed last is out when a guest has powered off, at once', () => {
  const host = new Host();
  const guest = host.guest().connect();
  host.settle();
  guest.print('good night');
  let seen = '';
  host.hv.onDomainShutdown((domid) => {
    seen = host.text(domid);
  });
  guest.shutDown(SHUTDOWN_poweroff);
  host.settle();
  expect(seen).toBe('good night');
  expect(host.text(guest.domid)).toBe('good night');
});

test('DC-11: what a guest that suspends leaves in its ring is its own to say again, there or here', () => {
  const host = new Host();
  const guest = host.guest().connect();
  guest.print('once');
  guest.suspend();
  guest.notify();
  host.settle(50_000_000);
  expect([host.text(guest.domid), guest.answers()]).toEqual(['', []]);
  host.hv.domctl.resumeDomain(guest.domid);
  host.controller.resume(guest.domid);
  host.settle(5_000_000);
  expect(host.text(guest.domid)).toBe('once');
  expect(guest.answers()).toHaveLength(1);
});

test('DC-10: what is typed reaches the guest once and in order, sixty bytes at a time', () => {
  const host = new Host();
  const guest = host.guest().connect();
  const typed = Array.from({ length: 700 }, (_, i) => String(i % 10)).join('');
  expect(host.controller.input(guest.domid, bytes(typed))).toBe(700);
  host.settle(100e9);
  const first = guest.requests();
  expect(first.map((message) => message.bytes.length)).toEqual([60]);
  for (const message of first) guest.answer(message);
  guest.notify();
  expect(text([...first, ...guest.serve()])).toBe(typed);
  expect(host.controller.input(99, bytes('x'))).toBe(0);
});

test('DC-10: what a guest has no room for, or nobody to read it yet, is sent again', () => {
  const host = new Host();
  const guest = host.guest().connect();
  host.controller.input(guest.domid, bytes('0123456789'));
  host.controller.input(guest.domid, bytes('abc'));
  const read = [];
  for (const taken of [0, 4, 0, 0, 200, 1, 9]) {
    host.settle(11_000_000);
    const messages = guest.requests();
    expect(messages.length).toBeLessThan(2);
    for (const message of messages) {
      read.push(new TextDecoder().decode(message.bytes.subarray(0, taken)));
      message.memory.st8(3, Math.min(taken, 60));
      guest.answer(message);
    }
    guest.notify();
  }
  expect(read.join('')).toBe('0123456789abc');
});

test('DC-12: nothing is put into the pages of a guest that has suspended; it comes when the guest runs on', () => {
  const host = new Host();
  const guest = host.guest().connect();
  guest.suspend();
  host.controller.input(guest.domid, bytes('hello'));
  host.settle(50_000_000);
  expect(guest.index('rx_req_prod')).toBe(0);
  host.hv.domctl.resumeDomain(guest.domid);
  host.settle(5_000_000);
  expect(text(guest.serve())).toBe('hello');
});

test('DC-20: a front end is walked to its disk: UP, DISCONNECTED, INTERFACE_CONNECT, CONNECTED; and reads there', () => {
  const { host, guest, disk } = withDisk();
  disk.bytes.fill(0x5a, 1024, 1536);
  expect(guest.statuses()).toEqual([]);
  guest.driver(UP);
  const [up] = guest.answers();
  expect(blkif_fe_driver_status.at(up?.memory as never, 4)).toMatchObject({
    status: UP,
    max_handle: 0,
  });
  expect(guest.statuses()).toEqual([{ status: DISCONNECTED, evtchn: 0 }]);
  guest.connectRing(1);
  const [connected] = guest.statuses();
  expect(connected?.status).toBe(CONNECTED);
  const ring = guest.frame(1);
  const put = (slot: number, fields: object, mfn: number, sectors: number) => {
    const at = xen2_blkif_ring.offset.ring + slot * xen2_blkif_request.size;
    const request = xen2_blkif_request.at(ring, at);
    Object.assign(request, { nr_segments: 1, device: XVDA, ...fields });
    request.frame_and_sects.set(0, (mfn << 12) | sectors);
    ring.st32(0, slot + 1);
    guest.domain.evtchn.send(connected?.evtchn as number);
    host.settle(5_000_000);
    return xen2_blkif_response.at(ring, at).status;
  };
  expect(put(0, { operation: BLKIF_OP_PROBE }, guest.mfn(2), 7)).toBe(1);
  expect(put(1, { operation: BLKIF_OP_READ, sector_number: 2 }, guest.mfn(3), 0)).toBe(0);
  expect([...guest.frame(3).bytes.subarray(510, 514)]).toEqual([0x5a, 0x5a, 0, 0]);
});

test('DC-21: a driver that comes up again begins anew, with the port that it had', () => {
  const { host, guest } = withDisk();
  guest.driver(UP);
  guest.connectRing(1);
  const [, first] = guest.statuses();
  const held = host.held();
  for (let i = 0; i < 5; i++) {
    guest.driver(UP);
    expect(guest.statuses()).toEqual([{ status: DISCONNECTED, evtchn: 0 }]);
    guest.connectRing(2);
    expect(guest.statuses()).toEqual([first]);
    expect(host.held()).toEqual(held);
  }
  guest.domain.evtchn.close(first?.evtchn as number);
  const own = guest.domain.evtchn.allocUnbound(7);
  expect(own).toBe(first?.evtchn);
  guest.ask(CMSG_BLKIF_FE, CMSG_BLKIF_FE_INTERFACE_DISCONNECT, blkif_fe_interface_disconnect, {});
  expect(guest.statuses()).toEqual([{ status: DISCONNECTED, evtchn: 0 }]);
  guest.connectRing(2);
  expect(guest.statuses()).toEqual([{ status: CONNECTED, evtchn: own + 1 }]);
});

test('DC-21: a driver that is down is told nothing and serves nothing', () => {
  const { host, guest } = withDisk();
  guest.driver(UP);
  guest.connectRing(1);
  guest.statuses();
  const holds = [...host.hv.dom0.holds].length;
  guest.driver(DOWN);
  host.disk('b');
  host.controller.attachDisk(guest.domid, diskOf('xvdb', 'b'));
  guest.connectRing(1);
  expect(guest.statuses()).toEqual([]);
  expect([...host.hv.dom0.holds].length).toBe(holds - 1);
});

test('DC-22: a ring that is no frame of the guest’s closes its interface until its driver comes up again', () => {
  const { host, guest } = withDisk();
  const other = host.guest();
  guest.driver(UP);
  guest.statuses();
  let held: object | undefined;
  for (const shmem_frame of [other.mfn(1), 2 ** 20 + guest.mfn(1), 2 ** 52, 5]) {
    guest.ask(CMSG_BLKIF_FE, CMSG_BLKIF_FE_INTERFACE_CONNECT, blkif_fe_interface_connect, {
      shmem_frame,
    });
    expect(guest.statuses()).toEqual([{ status: CLOSED, evtchn: 0 }]);
    guest.connectRing(1);
    expect(guest.statuses()).toEqual([]);
    guest.driver(UP);
    expect(guest.statuses()).toEqual([{ status: DISCONNECTED, evtchn: 0 }]);
    held ??= host.held();
    expect(host.held()).toEqual(held);
  }
  guest.connectRing(1);
  expect(guest.statuses()).toMatchObject([{ status: CONNECTED }]);
});

test('DC-21: a front end that names another ring while it is connected is connected to that one', () => {
  const { host, guest } = withDisk();
  guest.driver(UP);
  guest.connectRing(1);
  const [, first] = guest.statuses();
  const held = host.held();
  guest.connectRing(2);
  expect(guest.statuses()).toEqual([first]);
  expect(host.held()).toEqual(held);
});

test('DC-22: an interface that was closed is not opened by a guest that disconnects it', () => {
  const { guest } = withDisk();
  guest.driver(UP);
  guest.statuses();
  guest.ask(CMSG_BLKIF_FE, CMSG_BLKIF_FE_INTERFACE_CONNECT, blkif_fe_interface_connect, {
    shmem_frame: 5,
  });
  expect(guest.statuses()).toEqual([{ status: CLOSED, evtchn: 0 }]);
  guest.ask(CMSG_BLKIF_FE, CMSG_BLKIF_FE_INTERFACE_DISCONNECT, blkif_fe_interface_disconnect, {});
  expect(guest.statuses()).toEqual([]);
});

test('DC-23: a disk that comes or goes is told to a connected front end, once', () => {
  const { host, guest } = withDisk();
  host.disk('b');
  const { controller } = host;
  const { domid } = guest;
  const ends: (string | undefined)[] = [];
  const add = () => controller.attachDisk(domid, diskOf('xvdb', 'b', false));
  const remove = () => controller.detachDisk(domid, 'xvdb', (error) => ends.push(error?.message));
  add();
  expect(() => add()).toThrow('does not have, found 51728');
  expect(() => controller.attachDisk(domid, diskOf('xvdc', 'c'))).toThrow('found no c');
  expect(() => controller.attachDisk(domid, diskOf('xvdq', 'b'))).toThrow('below 65536');
  controller.attachDisk(domid, diskOf('xvdd', ''));
  guest.driver(UP);
  guest.connectRing(1);
  guest.statuses();
  remove();
  remove();
  expect(ends).toEqual([]);
  add();
  expect(guest.statuses().map(({ status }) => status)).toEqual([CHANGED, CHANGED]);
  expect(ends).toEqual([undefined, `domain ${domid} has no device xvdb`]);
  expect(host.xbdback.loop.count).toBe(2);
});

test('DC-24: INTERFACE_QUERY tells the state, and CLOSED of interfaces that there are not', () => {
  const { guest } = withDisk();
  const query = (handle: number) => {
    guest.ask(CMSG_BLKIF_FE, CMSG_BLKIF_FE_INTERFACE_QUERY, blkif_fe_interface_status, {
      handle,
      status: 9,
    });
    const [answer] = guest.answers();
    return blkif_fe_interface_status.at(answer?.memory as never, 4).status;
  };
  expect(query(0)).toBe(CLOSED);
  guest.driver(UP);
  guest.answers();
  expect([query(0), query(1), query(-1)]).toEqual([DISCONNECTED, CLOSED, CLOSED]);
});

test('DC-25: each network interface is walked to its bridge by itself, and says its address; frames go both ways', () => {
  const host = new Host();
  const guest = host.guest().connect({}, [nicOf(0), nicOf(1)]);
  guest.ask(CMSG_NETIF_FE, CMSG_NETIF_FE_DRIVER_STATUS, netif_fe_driver_status, { status: UP });
  const [up] = guest.answers();
  expect(netif_fe_driver_status.at(up?.memory as never, 4).max_handle).toBe(1);
  const walk = () =>
    guest.serve().map(({ memory }) => {
      const { handle, status, evtchn, mac } = netif_fe_interface_status.at(memory, 4);
      return { handle, status, evtchn, mac: [...mac].at(-1) };
    });
  expect(walk()).toEqual([
    { handle: 0, status: DISCONNECTED, evtchn: 0, mac: 0 },
    { handle: 1, status: DISCONNECTED, evtchn: 0, mac: 1 },
  ]);
  guest.ask(CMSG_NETIF_FE, CMSG_NETIF_FE_INTERFACE_CONNECT, netif_fe_interface_connect, {
    handle: 1,
    tx_shmem_frame: guest.mfn(1),
    rx_shmem_frame: guest.mfn(2),
  });
  const [connected, ...others] = walk();
  expect(others).toEqual([]);
  expect(connected).toMatchObject({ handle: 1, status: CONNECTED, mac: 1 });
  const port = connected?.evtchn as number;
  // It gives a page away, and gets one with what a neighbour sends.
  guest.frame(2).st32(xen2_netif_rx_ring.offset.req_prod, 1);
  guest.domain.evtchn.send(port);
  const frame = new Uint8Array(60).fill(0xff, 0, 6).fill(2, 6);
  host.neighbour.send({ bytes: frame, checksum: 'none' });
  host.settle();
  const { addr, status } = xen2_netif_rx_response.at(
    guest.frame(2),
    xen2_netif_rx_ring.offset.ring,
  );
  expect(status).toBe(60);
  expect(host.hv.memory.frameBytes(addr / 4096).slice(0, 60)).toEqual(frame);
  const request = xen2_netif_tx_request.at(guest.frame(1), xen2_netif_tx_ring.offset.ring);
  request.addr = addr;
  request.size = 60;
  guest.frame(1).st32(xen2_netif_tx_ring.offset.req_prod, 1);
  guest.domain.evtchn.send(port);
  host.settle();
  expect(host.heard.map(({ bytes: { length } }) => length)).toEqual([60]);
  guest.ask(CMSG_NETIF_FE, CMSG_NETIF_FE_INTERFACE_CONNECT, netif_fe_interface_connect, {
    handle: 0,
    tx_shmem_frame: guest.mfn(1),
    rx_shmem_frame: 5,
  });
  expect(walk()).toEqual([{ handle: 0, status: CLOSED, evtchn: 0, mac: 0 }]);
  guest.destroy();
  expect([host.xennetback.devices, [...host.hv.dom0.holds].length]).toEqual([0, 0]);
});

test('DC-25: a host without a network back end has no domains with interfaces', () => {
  const host = new Host({ nets: false });
  expect(() => host.guest().connect({}, [nicOf(0)])).toThrow('no network interface on this host');
});

test('DC-30: a request to suspend is answered when the guest takes it up, and failed when it does not in time', () => {
  const host = new Host();
  const guest = host.guest().connect();
  const ends: (string | null)[] = [];
  const done = (error: Error | null) => ends.push(error?.message ?? null);
  host.controller.shutdown(guest.domid, 'suspend', done);
  host.settle();
  const [message] = guest.requests();
  expect(message).toMatchObject({ type: CMSG_SHUTDOWN, subtype: CMSG_SHUTDOWN_SUSPEND });
  expect(message?.bytes.length).toBe(0);
  expect(ends).toEqual([]);
  guest.answer(message as never);
  guest.notify();
  host.settle();
  expect(ends).toEqual([null]);
});

test('DC-30, DC-5: a request that is answered in time by nobody fails, and its late answer is nobody else’s', () => {
  const host = new Host();
  const guest = host.guest().connect();
  const ends: (string | null)[] = [];
  const done = (error: Error | null) => ends.push(error?.message ?? null);
  host.controller.shutdown(guest.domid, 'suspend', done);
  host.settle(59e9);
  expect(ends).toHaveLength(0);
  host.settle(2e9);
  expect(ends).toEqual([`domain ${guest.domid} did not answer in time`]);
  host.controller.sysrq(guest.domid, 's', done);
  host.settle();
  const [late, key] = guest.requests();
  expect(key).toMatchObject({ subtype: CMSG_SHUTDOWN_SYSRQ, bytes: Uint8Array.of(115, 0, 0, 0) });
  guest.answer(late as never);
  guest.notify();
  host.settle();
  expect(ends).toHaveLength(1);
  guest.answer(key as never);
  guest.notify();
  host.settle();
  expect(ends[1]).toBeNull();
});

test('DC-33: what is typed while a guest leaves stays here, and comes when it goes on where it was', () => {
  const host = new Host();
  const guest = host.guest().connect();
  host.controller.shutdown(guest.domid, 'suspend', () => {});
  host.settle();
  host.controller.input(guest.domid, bytes('typed meanwhile'));
  host.settle();
  const [message, ...others] = guest.requests();
  expect(others).toEqual([]);
  guest.answer(message as never);
  guest.notify();
  host.settle(3e9);
  expect(guest.requests()).toEqual([]);
  guest.suspend();
  host.settle(3e9);
  expect(guest.requests()).toEqual([]);
  host.hv.domctl.resumeDomain(guest.domid);
  host.settle(3_000_000);
  expect(text(guest.serve())).toBe('typed meanwhile');
});

test('DC-33: a guest that does not leave after all is spoken to again, a minute after it said that it would', () => {
  const host = new Host();
  const guest = host.guest().connect();
  host.controller.shutdown(guest.domid, 'suspend', () => {});
  guest.serve();
  host.controller.input(guest.domid, bytes('hello?'));
  host.settle(59e9);
  expect(guest.requests()).toEqual([]);
  host.settle(2e9);
  expect(text(guest.serve())).toBe('hello?');
});

test('DC-5: what a guest had no room for in time is not asked of it later', () => {
  const host = new Host();
  const guest = host.guest().connect();
  const ends: (string | undefined)[] = [];
  const ask = (key: string) =>
    host.controller.sysrq(guest.domid, key, (error) => ends.push(error?.message));
  for (const key of 'abcdefgh') ask(key);
  host.settle(30e9);
  ask('i');
  host.settle(65e9);
  expect(ends).toHaveLength(9);
  expect(guest.serve().map((message) => message.bytes[0])).toEqual([...bytes('abcdefgh')]);
});

test('DC-5: an id that waits for its answer is given to nobody else, however many come between', () => {
  const host = new Host();
  const guest = host.guest().connect();
  const ends: string[] = [];
  const ask = (name: string) => host.controller.sysrq(guest.domid, 'h', () => ends.push(name));
  ask('first');
  host.settle();
  const [first] = guest.requests();
  for (let i = 0; i < 600; i++) {
    ask('other');
    host.settle(10_000);
    for (const message of guest.requests()) {
      expect(message.id).not.toBe(first?.id);
      guest.answer(message);
    }
    guest.notify();
  }
  host.settle();
  expect(ends).toHaveLength(600);
  guest.answer(first as never);
  guest.notify();
  host.settle();
  expect(ends.at(-1)).toBe('first');
});

test('DC-4, DC-5: a guest is told by an event of what was put, answers and questions', () => {
  const host = new Host();
  const guest = host.guest().connect();
  const { memory } = host.hv;
  const at = guest.sharedInfoMfn * 4096 + xen2_shared_info.offset.evtchn_pending;
  const told = () => {
    host.settle();
    const pending = (memory.ld32(at) & (1 << guest.port)) !== 0;
    memory.st32(at, 0);
    return pending;
  };
  told();
  expect(told()).toBe(false);
  guest.print('x');
  guest.notify();
  expect(told()).toBe(true);
  host.controller.sysrq(guest.domid, 'h', () => {});
  expect(told()).toBe(true);
  guest.notify();
  expect(told()).toBe(false);
});

test('DC-31: a request can be taken back while the guest cannot have seen it, and not after', () => {
  const host = new Host();
  const guest = host.guest().connect();
  let ends = 0;
  const takeBack = host.controller.shutdown(guest.domid, 'poweroff', () => ends++);
  expect([takeBack(), takeBack()]).toEqual([true, false]);
  host.settle(100e9);
  expect([ends, guest.requests().length]).toEqual([0, 0]);
  const tooLate = host.controller.shutdown(guest.domid, 'reboot', () => ends++);
  host.settle();
  expect(tooLate()).toBe(false);
});

test('DC-32: a guest that knows nothing of its memory says so, and one that does has its way', () => {
  const host = new Host();
  const guest = host.guest().connect();
  const ends: (string | null)[] = [];
  const done = (error: Error | null) => ends.push(error?.message ?? null);
  for (const length of [0, 8]) {
    host.controller.setMemory(guest.domid, 1000, done);
    host.settle();
    const [message] = guest.requests();
    expect(message?.memory.ld32(4)).toBe(1000);
    message?.memory.st8(3, length);
    guest.answer(message as never);
    guest.notify();
    host.settle();
  }
  expect(ends).toEqual([`domain ${guest.domid} does not know how to change its memory`, null]);
});

test('DC-2: connected anew, a guest finds its rings at rest, whoever waited is told, and its disks are there', () => {
  const { host, guest } = withDisk();
  guest.driver(UP);
  guest.connectRing(1);
  guest.statuses();
  const held = host.held();
  const ends: (string | null)[] = [];
  host.controller.shutdown(guest.domid, 'suspend', (error) => {
    ends.push(error?.message ?? null);
  });
  host.settle();
  host.controller.input(guest.domid, bytes('typed before'));
  guest.suspend();
  host.controller.disconnect(guest.domid);
  host.settle();
  expect(ends).toEqual([`domain ${guest.domid} has lost its control interface`]);
  host.hv.domctl.pauseDomain(guest.domid);
  host.hv.dom0.resetEventChannels(guest.domid);
  expect(host.hv.dom0.allocUnbound(guest.domid, 0)).toBe(guest.port);
  guest.connect({ xvda: 'a' });
  const indices = (['tx_req_prod', 'tx_resp_prod', 'rx_req_prod', 'rx_resp_prod'] as const).map(
    (name) => guest.index(name),
  );
  expect(indices).toEqual([0, 0, 0, 0]);
  guest.responsesTaken = guest.requestsTaken = 0;
  host.hv.domctl.resumeDomain(guest.domid);
  host.settle(3_000_000);
  expect(text(guest.serve())).toBe('typed before');
  guest.driver(UP);
  guest.connectRing(1);
  expect(guest.statuses().map(({ status }) => status)).toEqual([DISCONNECTED, CONNECTED]);
  expect(host.held()).toEqual(held);
});

test('DC-3: a domain that is released leaves nothing behind', () => {
  const host = new Host();
  const before = host.held();
  for (let i = 0; i < 3; i++) {
    host.disk('a');
    const guest = host.guest().connect({ xvda: 'a' });
    guest.driver(UP);
    guest.connectRing(1);
    host.controller.input(guest.domid, bytes('x'.repeat(1000)));
    host.settle();
    guest.destroy();
    host.settle(100e9);
    expect(host.held()).toEqual(before);
  }
});

test('DC-7: whoever reads a trace sees every message, and its answer, both ways', () => {
  const host = new Host();
  const guest = host.guest().connect();
  const seen: unknown[][] = [];
  host.sim.trace.listen((kind, domid, what) => {
    if (kind === 'ring' && domid === guest.domid) seen.push([...what]);
  });
  guest.print('hi');
  guest.notify();
  host.controller.sysrq(guest.domid, 'h', () => {});
  guest.serve();
  expect(seen.toSorted()).toEqual([
    ['ctrl-answer', CMSG_SHUTDOWN, CMSG_SHUTDOWN_SYSRQ, 0, 4, '104.0.0.0'],
    ['ctrl-ask', CMSG_SHUTDOWN, CMSG_SHUTDOWN_SYSRQ, 0, 4, '104.0.0.0'],
    ['ctrl-request', CMSG_CONSOLE, 0, 0, 2, '104.105'],
    ['ctrl-response', CMSG_CONSOLE, 0, 0, 0, ''],
  ]);
});

test('DC-2: what was typed and lay in a ring that is gone is not typed twice', () => {
  const host = new Host();
  const guest = host.guest().connect();
  const { controller } = host;
  controller.input(guest.domid, bytes('once'));
  host.settle();
  controller.input(guest.domid, bytes('later'));
  controller.disconnect(guest.domid);
  expect(host.story).toContain(`domain ${guest.domid}: 4 bytes that were typed may be lost`);
  guest.requestsTaken = 0;
  guest.domain.evtchn.close(guest.port);
  expect(host.hv.dom0.allocUnbound(guest.domid, 0)).toBe(guest.port);
  guest.connect();
  expect(text(guest.serve())).toBe('later');
});

test('DC-3: what was typed at a domain that is gone is not read by the next one of its number', () => {
  const host = new Host();
  const first = host.guest().connect();
  host.controller.input(first.domid, bytes('rm -rf /\n'));
  first.destroy();
  const next = host.guest(first.domid).connect();
  host.controller.input(next.domid, bytes('date\n'));
  expect(text(next.serve())).toBe('date\n');
});

test('DC-1: a frame or a port that is no good is refused and nothing is held', () => {
  const host = new Host();
  const guest = host.guest();
  const other = host.guest();
  const before = host.held();
  const { domid, sharedInfoMfn, port } = guest;
  const connect = (mfn: number, at: number, disk = 'a') =>
    host.controller.connect(
      domid,
      { sharedInfoMfn: mfn, port: at },
      { disks: [diskOf('xvda', disk)], nics: [] },
    );
  host.disk('a');
  expect(() => connect(other.sharedInfoMfn, port)).toThrow('cannot be mapped');
  expect(() => connect(sharedInfoMfn, port + 1)).toThrow('cannot be bound');
  expect(() => connect(sharedInfoMfn, port, 'b')).toThrow('found no b');
  expect(() => guest.connect({ xvda: 'a' }, [nicOf(0), nicOf(1, 'xenbr9')])).toThrow(
    'found xenbr9',
  );
  expect(host.held()).toEqual(before);
  connect(sharedInfoMfn, port);
  guest.print('here');
  guest.put(77, 0, bytes('what is that'));
  guest.put(CMSG_CONSOLE, 5, bytes('no such subtype'));
  guest.notify();
  host.settle();
  expect(guest.answers().map(({ bytes: b }) => b.length)).toEqual([0, 0, 0]);
  expect(host.text(domid)).toBe('here');
});
