/*
 * What must hold for the network of a domain that changes hosts: scenarios 3, 22, 23 and 29.
 */
import { createHash } from 'node:crypto';
import { memoryDisk } from '@tooling/testbed';
import { expect, test } from 'vitest';
import { guest, randomBytes } from '../cycle.ts';
import { kernelCounts } from './kernel-counts.ts';
import {
  type Boot,
  NetWorld,
  type NetWorldOptions,
  type Seen,
  type Traveller,
} from './net-world.ts';

const KIB = 1024;
const MIB = 2 ** 20;
const HOUR_NS = 3600e9;
const DAY_NS = 24 * HOUR_NS;
/** Moves in the long test. */
const CYCLES = Number(process.env.NET_CYCLES ?? 100);
const LIMIT_MS = 600_000;
const ETHERTYPE_IP = 0x0800;
const IPPROTO_ICMP = 1;
const IPPROTO_TCP = 6;

/** A disk of a server's being fetched. */
class Fetch {
  readonly world: NetWorld;
  readonly server: Traveller;
  readonly client: Traveller;
  readonly #digest: string;

  constructor(size: number, options: Partial<NetWorldOptions>, client: Partial<Boot> = {}) {
    const bytes = randomBytes(size, 9);
    this.#digest = createHash('sha256').update(bytes).digest('hex');
    this.world = new NetWorld({ guest, ...options });
    const disks = { xvda: memoryDisk(bytes) };
    this.server = this.world.boot('server', { address: 1, program: 'httpd /dev/xbd0', disks });
    this.world.untilPrinted(this.server, 'port 80');
    this.client = this.world.boot('client', {
      address: 2,
      program: 'httpget http://10.9.0.1/',
      ...client,
    });
    this.world.onReset = () => expect(this.client.text).toContain(this.#digest);
  }

  /** Lets some of it come. */
  some(events: number): void {
    this.world.runEvents(events, () => this.client.ended !== undefined);
    expect(this.client.ended).toBe(undefined);
  }

  /** To the client's end. */
  finish(): void {
    expect(this.world.untilEnded(this.client)).toContain(this.#digest);
    this.world.runFor(10e6);
    expect(this.world.audit()).toEqual([]);
  }
}

const move = (world: NetWorld, who: Traveller): void => {
  const image = world.save(who);
  if (image !== undefined) world.restore(image);
};

/** The timestamp of a TCP segment; undefined when it has none. */
const timestampOf = ({ frame }: Seen): number | undefined => {
  const { bytes } = frame;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint16(12) !== ETHERTYPE_IP || bytes[23] !== IPPROTO_TCP) return undefined;
  const tcp = 14 + ((bytes[14] as number) & 15) * 4;
  const end = tcp + (view.getUint8(tcp + 12) >> 4) * 4;
  for (let at = tcp + 20; at < end; ) {
    const kind = bytes[at];
    if (kind === 8) return view.getUint32(at + 2);
    at += kind === 1 ? 1 : (bytes[at + 1] ?? end);
  }
  return undefined;
};

/** The sequence number after a TCP segment's data, and what it acknowledges. */
const endOf = ({ frame }: Seen): number => {
  const view = new DataView(frame.bytes.buffer, frame.bytes.byteOffset, frame.bytes.length);
  const length = view.getUint16(16) - 20 - (view.getUint8(46) >> 4) * 4;
  return (view.getUint32(38) + length) >>> 0;
};
const ackOf = ({ frame }: Seen): number =>
  new DataView(frame.bytes.buffer, frame.bytes.byteOffset, frame.bytes.length).getUint32(42);

test.each([
  ['younger', 60e9],
  ['older', 400 * DAY_NS],
])('scenario 3: on a %s host timestamps go on where they were', (_, uptime_ns) => {
  // The hosts that both boot on have been up for 40 days; the one that is moved to, for another time.
  const fetch = new Fetch(MIB, {
    host: (slot) => ({ uptime_ns: slot < 2 ? 40 * DAY_NS : uptime_ns }),
  });
  const { world, server, client } = fetch;
  fetch.some(3000);
  move(world, server);
  fetch.some(2000);
  move(world, client);
  fetch.finish();
  for (const address of ['00163e000001', '00163e000002']) {
    const stamps = world.seen
      .filter(({ direction }) => direction === 'out')
      .filter(({ frame }) => Buffer.from(frame.bytes.subarray(6, 12)).toString('hex') === address)
      .map(timestampOf)
      .filter((stamp) => stamp !== undefined);
    expect(stamps.length).toBeGreaterThan(100);
    let backwards = 0;
    for (let i = 1; i < stamps.length; i++) {
      if ((((stamps[i] as number) - (stamps[i - 1] as number)) | 0) < 0) backwards++;
    }
    expect(backwards).toBe(0);
    // A clock of milliseconds that does not jump by a host's age either.
    const whole = ((stamps.at(-1) as number) - (stamps[0] as number)) >>> 0;
    expect(whole).toBeLessThan(world.sim.now_ns / 1e6 + 10);
  }
});

const BACK_ENDS = {
  everything: {},
  'no scatter-gather': { sg: false },
  'no checksum offload': { checksumOffload: false },
  'no copying': { rxCopy: false },
} as const;
type BackEnd = keyof typeof BACK_ENDS;
const NAMES = Object.keys(BACK_ENDS) as BackEnd[];
const PAIRS = NAMES.flatMap((from) => NAMES.map((to): [BackEnd, BackEnd] => [from, to]));

test.each(PAIRS)(
  'scenario 22: from a back end with %s to one with %s traffic goes on',
  (from, to) => {
    const host = (slot: number) => ({ netFeatures: BACK_ENDS[slot < 2 ? from : to] });
    const fetch = new Fetch(256 * KIB, { host });
    const { world, server, client } = fetch;
    fetch.some(1500);
    move(world, server);
    expect(server.host.hv).not.toBe(client.host.hv);
    fetch.some(500);
    move(world, client);
    fetch.finish();
    expect(world.complaints()).toEqual([]);
  },
);

test('what a guest has sent is acknowledged when it leaves: no peer has to say anything twice', () => {
  const quality = { latency_ns: 1e6, bandwidth_bps: 1e9 };
  const fetch = new Fetch(MIB, { quality });
  const { world, server } = fetch;
  for (let i = 0; i < 4; i++) {
    fetch.some(1000);
    const image = world.save(server);
    const [sent = 0, acknowledged = 0] = (['out', 'in'] as const).map((direction) =>
      world.seen
        .filter((seen) => seen.vif.startsWith(`host${server.host.hv.slot}.`))
        .filter((seen) => seen.direction === direction && timestampOf(seen) !== undefined)
        .map(direction === 'out' ? endOf : ackOf)
        .at(-1),
    );
    expect(sent).toBeGreaterThan(0);
    expect(acknowledged).toBe(sent);
    if (image !== undefined) world.restore(image);
  }
  fetch.finish();
});

test('scenario 23: whoever asks each millisecond is answered again a round trip after the back end is connected', () => {
  const world = new NetWorld({ guest, quality: { latency_ns: 100_000, bandwidth_bps: 1e9 } });
  const { sim } = world;
  const who = world.boot('echo', { address: 1, program: 'echod' });
  world.untilPrinted(who, 'ring grants');
  world.runFor(3e9);
  const answers: number[] = [];
  const port = world.lan.attach('peer', {
    receive: ({ bytes }) => {
      if (bytes[13] === 0 && bytes[23] === IPPROTO_ICMP) answers.push(sim.now_ns);
    },
  });
  let asked = 0;
  const ask = (): void => {
    port.send({ bytes: echoRequest(asked++), checksum: 'none' });
    sim.after(1e6, ask);
  };
  port.send({ bytes: arpRequest(), checksum: 'none' });
  world.runFor(1e6);
  ask();
  world.runFor(50e6);
  expect(answers.length).toBeGreaterThan(40);
  const image = world.save(who);
  // What was on its way arrives.
  world.runFor(1e6);
  const left_ns = answers.at(-1) as number;
  world.runFor(700e6);
  expect(answers.at(-1)).toBe(left_ns);
  const back_ns = sim.now_ns;
  if (image !== undefined) world.restore(image);
  world.runFor(500e6);
  const announced_ns = world.seen.find(
    ({ time_ns, direction }) => direction === 'out' && time_ns > back_ns,
  )?.time_ns as number;
  expect(announced_ns - back_ns).toBeLessThan(10e6);
  const first_ns = answers.find((time_ns) => time_ns > back_ns) as number;
  // The announcement to the switch, the next request, and its answer.
  expect(first_ns - announced_ns).toBeLessThan(1e6 + 4 * 100_000 + 200_000);
});

const checksum = (bytes: Uint8Array): [number, number] => {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += ((bytes[i] as number) << 8) + (bytes[i + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return [(~sum >> 8) & 255, ~sum & 255];
};

const PEER = [0x00, 0x16, 0x3e, 0, 0, 9];

/** 10.9.0.9 asks who has 10.9.0.1. */
const arpRequest = (): Uint8Array =>
  Uint8Array.from([
    ...[255, 255, 255, 255, 255, 255, ...PEER, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1],
    ...[...PEER, 10, 9, 0, 9, 0, 0, 0, 0, 0, 0, 10, 9, 0, 1],
  ]);

const echoRequest = (sequence: number): Uint8Array => {
  const icmp = Uint8Array.from([8, 0, 0, 0, 0, 1, (sequence >> 8) & 255, sequence & 255]);
  icmp.set(checksum(icmp), 2);
  const ip = Uint8Array.from([
    ...[0x45, 0, 0, 28, 0, 1, 0, 0, 64, IPPROTO_ICMP, 0, 0],
    ...[10, 9, 0, 9, 10, 9, 0, 1],
  ]);
  ip.set(checksum(ip), 10);
  return Uint8Array.from([0, 0x16, 0x3e, 0, 0, 1, ...PEER, 8, 0, ...ip, ...icmp]);
};

test(
  `scenario 29: ${CYCLES} moves leave nothing behind, in the machine or in the guest`,
  () => {
    const world = new NetWorld({ guest });
    const disks = { xvda: memoryDisk(randomBytes(64 * KIB, 2)) };
    const server = world.boot('server', { address: 1, program: 'httpd /dev/xbd0', disks });
    world.untilPrinted(server, 'port 80');
    // Connections come and go among the first moves; then the server is idle.
    const commands = 'httpget http://10.9.0.1/; sleep 1; ';
    const client = world.boot('client', {
      address: 2,
      program: `sh -c ${commands.repeat(Math.min(12, CYCLES))}sleep 100000`,
    });
    const held: unknown[] = [];
    const counted: unknown[] = [];
    for (let i = 0; i < CYCLES; i++) {
      world.runFor(300e6);
      const image = world.save(server);
      if (image === undefined) throw new Error(server.text);
      if (i % 20 === 19) {
        held.push(world.hosts.map((host) => host.conservation()));
        counted.push(kernelCounts(image.bytes));
      }
      world.restore(image);
    }
    expect(client.ended).toBe(undefined);
    for (const one of held) expect(one).toEqual(held[0]);
    for (const one of counted) expect(one).toEqual(counted[0]);
    expect(counted[0]).toMatchObject({ freeMbufs: 256, freeTxIds: 256, txMbufs: 0 });
    expect(world.audit()).toEqual([]);
  },
  LIMIT_MS,
);
