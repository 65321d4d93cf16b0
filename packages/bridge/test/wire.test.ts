import { Sim } from '@port-xen/sim';
import { expect, test } from 'vitest';
import { Bridge, joinBridges } from '../src/index.ts';
import { BROADCAST, Ear, frame, mac } from './frames.ts';

const twoHosts = () => {
  const sim = new Sim(1);
  const bridges = [0, 1].map((slot) => new Bridge({ sim, name: `host${slot}`, slot }));
  const [near, far] = bridges as [Bridge, Bridge];
  const wire = joinBridges(near, far, { latency_ns: 1_000_000, bandwidth_bps: 1e9 });
  return { sim, near, far, wire, run: () => sim.runUntil(() => false) };
};

test('WIRE-1: what one host does not know is heard on the other, once, after the latency', () => {
  const { sim, near, far, run } = twoHosts();
  const [a, b] = [new Ear(), new Ear()];
  near.attach('a', a).send(frame(BROADCAST, mac(1)));
  const port = far.attach('b', b);
  run();
  expect(b.heard.length).toBe(1);
  expect(sim.now_ns).toBeGreaterThan(1_000_000);
  expect(sim.now_ns).toBeLessThan(1_100_000);
  expect(far.portOf(mac(1))).toBe('wire to host0');
  port.send(frame(mac(1), mac(2)));
  run();
  expect(a.heard.length).toBe(1);
});

test('WIRE-2: a domain that comes back on the other host answers there from its first frame on', () => {
  const { near, far, run } = twoHosts();
  const [client, server] = [new Ear(), new Ear()];
  const from = near.attach('client', client);
  const before = near.attach('server', server);
  before.send(frame(BROADCAST, mac(9)));
  run();
  before.detach();
  const after = far.attach('server', server);
  after.send(frame(BROADCAST, mac(9)));
  run();
  server.heard.length = 0;
  from.send(frame(mac(9), mac(1)));
  run();
  expect(server.heard.length).toBe(1);
  expect(near.portOf(mac(9))).toBe('wire to host1');
});

test('WIRE-3: a frame that leaves its host carries its checksum', () => {
  const { near, far, run } = twoHosts();
  const ear = new Ear();
  far.attach('ear', ear);
  const { bytes } = frame(BROADCAST, mac(1), 54);
  bytes.set([8, 0, 0x45, 0, 0, 40], 12);
  bytes[23] = 6;
  near.attach('mouth', new Ear()).send({ bytes, checksum: 'blank' });
  run();
  expect(ear.heard.map(({ checksum }) => checksum)).toEqual(['none']);
  expect(ear.heard[0]?.bytes[50]).not.toBe(0);
});

test('WIRE-4: a plug that is pulled carries nothing until it is back, and a wire that is cut leaves no port', () => {
  const { near, far, wire, run } = twoHosts();
  const ear = new Ear();
  far.attach('ear', ear);
  const port = near.attach('mouth', new Ear());
  wire.change({ loss_ppm: 1_000_000 });
  port.send(frame(BROADCAST, mac(1)));
  run();
  expect(ear.heard.length).toBe(0);
  wire.change({ loss_ppm: 0 });
  port.send(frame(BROADCAST, mac(1)));
  run();
  expect(ear.heard.length).toBe(1);
  wire.cut();
  expect([near.ports, far.ports]).toEqual([1, 1]);
});
