/*
 * Frames through a cable, a bridge and another cable, against a plain copy of the same bytes in the same run.
 */
import { Sim } from '@port-xen/sim';
import { expect, test } from 'vitest';
import { Bridge } from '../src/index.ts';
import { Ear, frame, mac } from '../test/frames.ts';

const FRAMES = 200;
const LENGTH = 1514;

test('frames through a bridge', async ({ bench }) => {
  const sim = new Sim(1);
  const bridge = new Bridge({ sim, name: 'xenbr0' });
  const ear = new Ear();
  const from = bridge.attach('from', new Ear());
  bridge.attach('to', ear).send(frame(mac(1), mac(2)));
  const sent = frame(mac(2), mac(1), LENGTH);
  const bridged = await bench('bridge', () => {
    for (let i = 0; i < FRAMES; i++) from.send(sent);
    sim.runUntil(() => false);
    ear.heard.length = 0;
  }).run();
  const target = new Uint8Array(LENGTH);
  const copied = await bench('copy', () => {
    for (let i = 0; i < FRAMES; i++) target.set(sent.bytes);
  }).run();
  const rate = bridged.throughput.mean * FRAMES;
  console.log(
    `bridge: ${Math.round(rate / 1000)} thousand frames/s, ${Math.round((rate * LENGTH) / 1e6)} MB/s; a plain copy is ${(copied.throughput.mean / bridged.throughput.mean).toFixed(1)} times as fast`,
  );
  expect(bridge.counters.forwarded).toBeGreaterThan(FRAMES);
  expect(rate).toBeGreaterThan(20_000);
});
