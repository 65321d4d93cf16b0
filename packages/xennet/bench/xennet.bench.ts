/*
 * Frames through front end, grants, back end, cables and bridge, out of a guest and into it, against a plain copy of the same
 * bytes in the same run. The guest runs on a whole machine; its stack does nothing but make and take mbufs.
 */
import { expect, test } from 'vitest';
import { NetGuest } from '../test/net-guest.ts';

const FRAMES = 200;

/** Sends frames to a guest and sees them come. */
const receive = (net: NetGuest, length: number) => () => {
  const before = net.call('received');
  for (let i = 0; i < FRAMES; i++) net.tell(length);
  net.host.runFor(6e6);
  const count = net.call('received') - before;
  if (count !== FRAMES) throw new Error(`expected ${FRAMES} frames, found ${count}`);
};

for (const length of [60, 1514]) {
  test(`frames of ${length} bytes out of a guest and into it`, async ({ bench }) => {
    const net = new NetGuest();
    // Both are heard, so that nothing is flooded.
    net.tell(60);
    net.settle();
    net.lan.heard.length = 0;
    const out = await bench('out', () => {
      net.call('send', length, FRAMES);
      net.host.runFor(1e6);
      if (net.lan.heard.length < FRAMES) throw new Error(`${net.lan.heard.length} were heard`);
      net.lan.heard.length = 0;
    }).run();
    const into = await bench('in', receive(net, length)).run();
    const flips = new NetGuest({ on: { netFeatures: { rxCopy: false } } });
    const flipped = await bench('in, pages flipped', receive(flips, length)).run();
    for (const one of [net, flips]) expect(one.call('ierrors')).toBe(0);
    const page = new Uint8Array(4096);
    const target = new Uint8Array(4096);
    const copied = await bench('copy', () => {
      for (let i = 0; i < FRAMES; i++) target.set(page.subarray(0, length));
    }).run();
    for (const [name, { throughput }] of [
      ['out', out],
      ['in', into],
      ['in, pages flipped', flipped],
    ] as const) {
      const rate = throughput.mean * FRAMES;
      console.log(
        `${length} bytes ${name}: ${Math.round(rate / 1000)} thousand frames/s, ${Math.round((rate * length) / 1e6)} MB/s; a plain copy is ${Math.round(copied.throughput.mean / throughput.mean)} times as fast`,
      );
      expect(rate).toBeGreaterThan(2_000);
    }
  });
}
