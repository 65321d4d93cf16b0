/*
 * Frames from one guest's pages through back end, cable, bridge, cable and back end into another's, against a plain copy of the
 * same bytes in the same run. Rings are driven by hand: no guest runs.
 */
import { netif_rx_request, netif_tx_request } from '@port-xen/abi';
import { expect, test } from 'vitest';
import { etherFrame, Front } from '../test/front.ts';
import { world } from '../test/world.ts';

const FRAMES = 128;

/** Two guests who have heard of each other. */
const pair = (length: number) => {
  const w = world({}, { toBridge: { queue_bytes: 1 << 24 }, toStation: { queue_bytes: 1 << 24 } });
  const fronts = [5, 6].map((domid) => {
    w.addDevice(domid);
    const front = new Front(w, domid);
    front.grant(20).set(etherFrame(11 - domid, domid, length));
    front.grant(21);
    front.state(4);
    front.transmit({ gref: 20, size: length });
    return front;
  });
  const [from, to] = fronts as [Front, Front];
  for (let i = 0; i < 256; i++) {
    const request = netif_tx_request.at(from.tx, 64 + i * netif_tx_request.size);
    request.gref = 20;
    request.size = length;
    const post = netif_rx_request.at(to.rx, 64 + i * netif_rx_request.size);
    post.gref = 21;
  }
  return { w, from, to };
};

/** Rings that go round: every slot is as `pair` left it, apart from what a response overwrote. */
const round = ({ w, from, to }: ReturnType<typeof pair>, length: number): void => {
  const produced = from.tx.ld32(0);
  for (let i = 0; i < FRAMES; i++) {
    const tx = 64 + ((produced + i) & 255) * netif_tx_request.size;
    from.tx.st32(tx, 20);
    from.tx.st32(tx + 4, 0);
    from.tx.st16(tx + 10, length);
    const posted = to.rx.ld32(0);
    to.rx.st32(64 + ((posted + i) & 255) * netif_rx_request.size + 4, 21);
  }
  to.rx.st32(0, to.rx.ld32(0) + FRAMES);
  from.tx.st32(0, produced + FRAMES);
  w.xen.kick(5, 7);
  w.sim.runUntil(() => false);
};

for (const length of [60, 1514]) {
  test(`frames of ${length} bytes from guest to guest`, async ({ bench }) => {
    const two = pair(length);
    two.to.rx.st32(0, two.to.rx.ld32(8));
    const before = two.w.back.counters.rxFrames;
    const through = await bench('through', () => round(two, length)).run();
    expect(two.w.back.counters.rxFrames - before).toBeGreaterThan(FRAMES);
    expect(two.w.back.counters.txErrors).toBe(0);
    const page = new Uint8Array(4096);
    const target = new Uint8Array(4096);
    const copied = await bench('copy', () => {
      for (let i = 0; i < FRAMES; i++) target.set(page.subarray(0, length));
    }).run();
    const rate = through.throughput.mean * FRAMES;
    console.log(
      `${length} bytes: ${Math.round(rate / 1000)} thousand frames/s, ${Math.round((rate * length) / 1e6)} MB/s; a plain copy is ${(copied.throughput.mean / through.throughput.mean).toFixed(1)} times as fast`,
    );
    expect(rate).toBeGreaterThan(20_000);
  });
}
