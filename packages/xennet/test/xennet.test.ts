import { MODES } from '@tooling/guest-testbed';
import { describe, expect, test } from 'vitest';
import { lan, NetGuest, sumOf } from './net-guest.ts';

const IFF_RUNNING = 0x40;
const IFF_OACTIVE = 0x400;
const CSUM_TX = 1;
const EMSGSIZE = 40;
const VALIDATED = 2;
/** A receive page for each slot, and two rings. */
const GRANTS = 256 + 2;

describe.each(MODES)('%s', (_, options) => {
  test('XENNET-1: the interface is attached with its address, and up when the back end serves it', () => {
    const net = new NetGuest({ ...options, mtu: 9000 });
    expect(net.guest.console).toContain('xennet0: MAC address 00:16:3e:00:00:01\n');
    expect(net.call('mtu')).toBe(9000);
    expect(net.call('flags')).toBe(IFF_RUNNING);
    expect(net.call('capenable')).toBe(CSUM_TX);
    const front = `/local/domain/${net.guest.domid}/device/vif/0`;
    const nodes = ['state', 'request-rx-copy', 'feature-sg', 'feature-rx-notify', 'vifname'];
    expect(nodes.map((name) => net.host.store.read(`${front}/${name}`))).toEqual([
      '4',
      '1',
      '1',
      '1',
      'xennet0',
    ]);
    expect(net.call('grants')).toBe(GRANTS);
  });

  test('XENNET-1: two interfaces have rings of their own', () => {
    const net = new NetGuest({ ...options, nics: 2 });
    for (let life = 0; life < 2; life++) {
      expect(net.call('grants')).toBe(2 * GRANTS);
      expect([net.host.xennetback.devices, net.host.xenbr0.ports]).toEqual([2, 3]);
      net.tell(90, 'none', 1);
      net.tell(91, 'none', 2);
      // Each is flooded to both, and passed over by one.
      expect(net.received(2).map(([length]) => length)).toEqual([90, 91]);
      net.move();
    }
  });

  test('XENNET-2: what is sent arrives, and nothing of it is kept', () => {
    const net = new NetGuest(options);
    net.heard();
    expect(net.call('send', 60, 1)).toBe(1);
    expect(net.call('send', 1514, 5)).toBe(5);
    expect(net.heard()).toEqual([60, 1514, 1514, 1514, 1514, 1514]);
    for (let round = 0; round < 10; round++) {
      expect(net.call('send', 500, 100)).toBe(100);
      expect(net.heard().length).toBe(100);
    }
    expect([net.call('mbufs'), net.call('grants')]).toEqual([0, GRANTS]);
  });

  test('XENNET-2: a packet in several mbufs goes out in several slots, byte for byte', () => {
    const net = new NetGuest(options);
    net.heard();
    expect(net.call('send_chain', 14, 2000, 1, 1500)).toBe(0);
    net.settle();
    const [{ bytes } = { bytes: new Uint8Array(0) }] = net.lan.heard;
    const expected = Uint8Array.from({ length: 3515 }, (__, i) => i & 255);
    expected.set([0, 0x16, 0x3e, 0, 0, 9, 0, 0x16, 0x3e, 0, 0, 1, 0x88, 0xb5]);
    expect(bytes).toEqual(expected);
    expect([net.call('mbufs'), net.call('grants')]).toEqual([0, GRANTS]);
  });

  test('XENNET-3: for a back end without scatter-gather a packet is put into one mbuf, if it fits', () => {
    const net = new NetGuest({ ...options, mtu: 9000, on: { netFeatures: { sg: false } } });
    expect([net.call('capenable'), net.call('mtu')]).toEqual([CSUM_TX, 1500]);
    net.heard();
    expect(net.call('send_chain', 14, 20, 1480)).toBe(0);
    expect(net.call('send_chain', 14, 2000, 1500)).toBe(EMSGSIZE);
    expect(net.heard()).toEqual([1514]);
    expect(net.host.xennetback.counters.txErrors).toBe(0);
    expect([net.call('mbufs'), net.call('grants')]).toEqual([0, GRANTS]);
  });

  test('XENNET-4: the stack may leave a checksum blank where the back end fills it in, and is told where it does not', () => {
    const net = new NetGuest(options);
    expect(net.call('capenable')).toBe(CSUM_TX);
    net.heard();
    for (const data of [0, 1, 1000]) expect(net.call('send_blank', data)).toBe(0);
    net.settle();
    expect(net.lan.heard.map(({ checksum }) => checksum)).toEqual(['blank', 'blank', 'blank']);
    const there = new NetGuest({ ...options, on: { netFeatures: { checksumOffload: false } } });
    expect(there.call('capenable')).toBe(0);
    there.heard();
    there.call('send', 60, 1);
    there.settle();
    expect(there.lan.heard.map(({ checksum }) => checksum)).toEqual(['none']);
  });

  test('XENNET-5: what comes for the interface is received, in one page or several, with what is known of its checksum', () => {
    const net = new NetGuest(options);
    net.call('send', 60, 1);
    net.settle();
    const frames = [net.tell(60), net.tell(1514, 'validated'), net.tell(9000, 'validated')];
    expect(net.received(3)).toEqual([
      [60, 0, sumOf(frames[0] as Uint8Array)],
      [1514, VALIDATED, sumOf(frames[1] as Uint8Array)],
      [9000, VALIDATED, sumOf(frames[2] as Uint8Array)],
    ]);
    expect(net.call('mbufs')).toBe(0);
  });

  test('XENNET-5: a frame for somebody else, which the bridge floods, is passed over', () => {
    const net = new NetGuest(options);
    net.tell(60, 'none', 7);
    net.tell(70, 'none', 1);
    expect(net.received(1)[0]?.[0]).toBe(70);
    expect([net.call('received'), net.call('ierrors')]).toEqual([1, 0]);
  });

  test('XENNET-5: slots go round: many more frames than there are pages are received, in order', () => {
    const net = new NetGuest(options);
    net.call('send', 60, 1);
    for (let round = 0; round < 6; round++) {
      for (let i = 0; i < 100; i++) net.tell(100 + i);
      net.settle();
    }
    expect(net.call('received')).toBe(600);
    expect(net.received(50).map(([length]) => length)).toEqual(
      Array.from({ length: 50 }, (__, i) => 150 + i),
    );
    expect([net.call('ierrors'), net.call('grants')]).toEqual([0, GRANTS]);
  });

  test('XENNET-6: a full ring stops the stack, room in it lets it go on, and no packet is lost', () => {
    const net = new NetGuest(options);
    net.heard();
    // Nothing is answered while the handler cannot run: all of this is one macro-instruction.
    expect(net.call('send', 60, 250)).toBe(256 - 18 + 1);
    expect(net.heard().length).toBe(256 - 18 + 1);
    expect(net.call('flags')).toBe(IFF_RUNNING);
    expect(net.call('readies')).toBe(1);
    expect(net.call('send', 60, 10)).toBe(10);
    expect(net.heard().length).toBe(10);
    expect([net.call('mbufs'), net.call('grants')]).toEqual([0, GRANTS]);
  });

  test('XENNET-7: unanswered packets are dropped by a restore and leave nothing behind; a cancelled save drops none', () => {
    const net = new NetGuest(options);
    const swallow = () => net.host.sim.faults.arm('xennetback.answer', () => true);
    net.heard();
    swallow();
    expect(net.call('send', 60, 30)).toBe(30);
    net.settle();
    expect([net.call('mbufs'), net.call('grants')]).toEqual([30, GRANTS + 30]);
    net.guest.checkpoint();
    expect([net.call('mbufs'), net.call('grants')]).toEqual([30, GRANTS + 30]);
    net.host.sim.faults.disarm('xennetback.answer');
    expect(net.call('send', 60, 5)).toBe(5);
    expect(net.heard().length).toBe(35);
    const before = net.host;
    const { domid } = net.guest;
    net.move();
    expect(before.consoleText(domid)).toContain(', 30 requests unanswered\n');
    expect(net.guest.console).toContain(
      'xennet0: 30 packets were being transmitted and are dropped\n',
    );
    expect([net.call('mbufs'), net.call('grants')]).toEqual([0, GRANTS]);
    net.heard();
    expect(net.call('send', 60, 239)).toBe(239);
    expect(net.heard().length).toBe(239);
  });

  test('XENNET-7: a suspend takes in what the back end has answered and delivered, and waits no longer than half a second', () => {
    const net = new NetGuest(options);
    net.call('send', 60, 1);
    net.host.sim.faults.arm('xennetback.answer', () => true);
    net.call('send', 60, 1);
    net.settle();
    const before = net.host.sim.now_ns;
    net.tell(60);
    net.guest.checkpoint();
    expect(net.host.sim.now_ns - before).toBeGreaterThan(0.4e9);
    expect(net.host.sim.now_ns - before).toBeLessThan(1.5e9);
    expect(net.call('received')).toBe(1);
    net.tell(61);
    expect(net.received(1)[0]?.[0]).toBe(61);
    expect([net.call('ups'), net.call('downs')]).toEqual([1, 0]);
    expect(net.call('flags')).toBe(IFF_RUNNING);
  });

  test('XENNET-7: nothing is sent while a suspend waits for what is in flight, or it would wait for ever', () => {
    const net = new NetGuest(options);
    net.call('in_flight', 1);
    net.guest.spawn('test_chatter', 60);
    net.settle();
    expect(net.lan.heard.length).toBeGreaterThan(3);
    net.lan.heard.length = 0;
    net.guest.checkpoint();
    expect(net.lan.heard.length).toBeLessThan(2);
    net.heard();
    expect(net.heard().length).toBeGreaterThan(3);
  });

  test('XENNET-7: a suspend lets the stack send nothing more, and waits a tenth of a second for what is in flight', () => {
    const net = new NetGuest(options);
    net.call('in_flight', 1);
    const before = net.host.sim.now_ns;
    net.guest.checkpoint();
    const took_ns = net.host.sim.now_ns - before;
    net.call('in_flight', 0);
    const again = net.host.sim.now_ns;
    net.guest.checkpoint();
    const brief_ns = net.host.sim.now_ns - again;
    expect(took_ns - brief_ns).toBeGreaterThan(85e6);
    expect(took_ns - brief_ns).toBeLessThan(120e6);
    net.heard();
    expect(net.call('flags')).toBe(IFF_RUNNING);
    expect(net.call('send', 60, 3)).toBe(3);
    expect(net.heard()).toEqual([60, 60, 60]);
  });

  test('XENNET-8: after a restore every slot is posted again and frames go both ways, with new handles', () => {
    const net = new NetGuest(options);
    const front = () => `/local/domain/${net.guest.domid}/device/vif/0`;
    const handles = () =>
      ['tx-ring-ref', 'rx-ring-ref'].map((name) => net.host.store.read(`${front()}/${name}`));
    const before = handles();
    for (let i = 0; i < 100; i++) net.tell(80);
    net.call('send', 60, 7);
    net.move();
    expect(handles()).not.toEqual(before);
    expect(net.call('flags')).toBe(IFF_RUNNING);
    expect(net.call('grants')).toBe(GRANTS);
    net.lan.heard.length = 0;
    for (let i = 0; i < 300; i++) {
      net.tell(80);
      if (i % 50 === 49) net.settle();
    }
    expect(net.call('send', 700, 3)).toBe(3);
    expect(net.heard()).toEqual([700, 700, 700]);
    expect(net.host.xennetback.counters).toMatchObject({ rxErrors: 0, txErrors: 0 });
    expect(net.call('received')).toBe(400);
    expect(net.host.audit()).toEqual([]);
  });

  test('XENNET-9: it says where it is once the new back end is connected, not before, and the switch learns it', () => {
    const net = new NetGuest(options);
    expect(net.heard()).toEqual([60]);
    net.move();
    const [{ bytes } = { bytes: new Uint8Array(0) }] = net.lan.heard;
    expect(bytes.subarray(6, 12)).toEqual(Uint8Array.of(0, 0x16, 0x3e, 0, 0, 1));
    expect(net.heard()).toEqual([60]);
    expect(net.host.xenbr0.portOf(bytes.subarray(6, 12))).toBe(`vif${net.guest.domid}.0`);
    expect([net.call('ups'), net.call('oerrors')]).toEqual([2, 0]);
  });

  test('XENNET-10: features are negotiated anew with every back end, whichever it has', () => {
    const kinds = [{}, { sg: false }, { checksumOffload: false }];
    for (const netFeatures of kinds) {
      const net = new NetGuest({ ...options, mtu: 3000, on: { netFeatures } });
      for (const there of kinds) {
        net.move({ netFeatures: there });
        const sg = !('sg' in there);
        const csum = !('checksumOffload' in there);
        expect(net.call('capenable')).toBe(csum ? CSUM_TX : 0);
        expect(net.call('mtu')).toBe(sg ? 3000 : 1500);
        net.heard();
        expect(net.call('send_chain', 14, 400, 800)).toBe(0);
        if (csum) expect(net.call('send_blank', 300)).toBe(0);
        expect(net.heard()).toEqual(csum ? [1214, 354] : [1214]);
        net.tell(1000);
        expect(net.received(1)[0]?.[0]).toBe(1000);
        expect(net.host.xennetback.counters.txErrors).toBe(0);
      }
    }
  });

  test('XENNET-11: a back end that neither copies nor flips is told of, and the interface comes back on one that does', () => {
    const net = new NetGuest(options);
    const image = net.guest.save();
    net.lan = lan({ slot: 1, netFeatures: { rxCopy: false } });
    const { store } = net.lan.host;
    // As soon as the back end has said what it can do.
    net.lan.host.sim.trace.listenToStory((_time, subsystem) => {
      if (subsystem !== 'xennetback') return;
      const [domid] = store.directory('/local/domain/0/backend/vif');
      store.write(`/local/domain/0/backend/vif/${domid}/0/feature-rx-flip`, '0');
    });
    net.guest.restore(image, { host: net.lan.host });
    net.settle();
    expect(net.guest.console).toContain(
      'xennet0: the back end neither copies what is received nor flips pages\n',
    );
    expect([net.call('flags'), net.call('grants'), net.missingPages]).toEqual([0, 0, 0]);
    expect(net.call('send', 60, 1)).toBe(0);
    net.move();
    expect(net.call('flags')).toBe(IFF_RUNNING);
    net.heard();
    net.call('send', 60, 1);
    expect(net.heard()).toEqual([60]);
  });

  test('XENNET-12: a full ring is forgotten with its back end: the stack may send after a restore', () => {
    const net = new NetGuest(options);
    net.host.sim.faults.arm('xennetback.answer', () => true);
    net.call('send', 60, 250);
    expect(net.call('flags')).toBe(IFF_RUNNING | IFF_OACTIVE);
    net.move();
    expect(net.call('flags')).toBe(IFF_RUNNING);
    net.heard();
    expect(net.call('send', 60, 100)).toBe(100);
    expect(net.heard().length).toBe(100);
  });

  test('XENNET-13: an interface that is taken away leaves nothing, and one that comes has the same place', () => {
    const net = new NetGuest(options);
    const back = `/local/domain/0/backend/vif/${net.guest.domid}/0`;
    net.host.store.write(`${back}/online`, '0');
    net.host.store.write(`${back}/state`, '5');
    net.settle();
    expect(net.guest.console).toContain('xennet0: the back end is closing\nxennet0: detached\n');
    expect([net.call('grants'), net.call('mbufs')]).toEqual([0, 0]);
    expect([net.call('flags'), net.call('downs')]).toEqual([0, 1]);
    expect(net.host.xenbr0.ports).toBe(1);
    const front = `/local/domain/${net.guest.domid}/device/vif/0`;
    net.host.store.write(`${back}/online`, '1');
    net.host.store.write(`${back}/state`, '1');
    net.host.store.write(`${front}/state`, '1');
    net.settle();
    expect(net.call('flags')).toBe(IFF_RUNNING);
    net.heard();
    net.call('send', 60, 2);
    expect(net.heard()).toEqual([60, 60]);
    net.move();
    net.heard();
    net.call('send', 60, 2);
    expect(net.heard()).toEqual([60, 60]);
  });
});

test('XENNET-14: over twelve moves and saves that were cancelled grants, mbufs, ports and nodes are flat', () => {
  const net = new NetGuest();
  const count = () => {
    const { ports, grants, maptrack, xenstore, interfaces, bridgePorts } = net.host.conservation();
    return { ports, grants, maptrack, xenstore, interfaces, bridgePorts };
  };
  net.move();
  const before = count();
  for (let cycle = 0; cycle < 12; cycle++) {
    net.call('send', 300, 20);
    for (let i = 0; i < 20; i++) net.tell(300);
    if (cycle % 3 === 2) net.guest.checkpoint();
    net.call('send', 300, 20);
    net.move({ slot: cycle % 2 });
    expect(count()).toEqual(before);
    expect([net.call('mbufs'), net.call('grants')]).toEqual([0, GRANTS]);
    expect(net.host.audit()).toEqual([]);
  }
});
