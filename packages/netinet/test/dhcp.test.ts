import { Sim } from '@port-xen/sim';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildDhcp, parseDhcp } from '../src/dhcp-message.ts';
import { DHCP_BOUND, DHCP_REBOOTING, DHCP_SELECTING } from '../src/dhcp-var.ts';
import { get16, get32, IPPROTO_UDP, put16, put32 } from '../src/in-addr.ts';
import { IP_HEADROOM } from '../src/ip.ts';
import { arpFrame, ipFrame } from './frames.ts';
import { Host } from './host.ts';

const SERVER = 0x0a00_0001;
const LEASED = 0x0a00_0042;

/** A DHCP server with one address to give. */
class Server {
  readonly sim = new Sim(1);
  readonly host: Host;
  readonly heard: { type: number; at_s: number; ciaddr: number }[] = [];
  /** What it does with a request: 5 acknowledges, 6 refuses, 0 is silent. */
  answer = 5;
  lease_s = 3600;

  constructor() {
    this.host = new Host(this.sim, { addr: 0 });
    this.host.hardware.send = (frame) => this.#hear(frame);
    this.host.up();
    this.host.net.dhcp.start(this.host.ifp, 0x1234_5678);
  }

  #hear(frame: Uint8Array): void {
    if (frame[13] === 6) {
      const arp = frame.subarray(14);
      if (get32(arp, 24) !== SERVER) return;
      const answer = arpFrame({ op: 2, from: SERVER, to: LEASED });
      answer.fill(0xff, 0, 6);
      this.#deliver(answer);
      return;
    }
    if (get16(frame, IP_HEADROOM + 2) !== 67) return;
    const p = frame.subarray(IP_HEADROOM + 8);
    const type = p[242] as number;
    this.heard.push({ type, at_s: this.sim.now_ns / 1e9, ciaddr: get32(p, 12) });
    if (this.answer === 0) return;
    const reply = new Uint8Array(300);
    reply.set(p.subarray(0, 236));
    reply[0] = 2;
    put32(reply, 16, LEASED);
    put32(reply, 236, 0x6382_5363);
    const kind = type === 1 ? 2 : this.answer;
    const quad = (v: number): number[] => [v >>> 24, (v >>> 16) & 255, (v >>> 8) & 255, v & 255];
    reply.set(
      [
        53,
        1,
        kind,
        54,
        4,
        ...quad(SERVER),
        1,
        4,
        255,
        255,
        255,
        0,
        3,
        4,
        ...quad(SERVER),
        51,
        4,
        ...quad(this.lease_s),
        255,
      ],
      240,
    );
    const udp = new Uint8Array(8 + reply.length);
    put16(udp, 0, 67);
    put16(udp, 2, 68);
    put16(udp, 4, udp.length);
    udp.set(reply, 8);
    const out = ipFrame({ src: SERVER, dst: 0xffff_ffff, proto: IPPROTO_UDP }, udp);
    out.fill(0xff, 0, 6);
    this.#deliver(out);
  }

  #deliver(frame: Uint8Array): void {
    this.sim.after(1_000_000, () => this.host.receive(frame));
  }

  run(seconds: number): void {
    const end = this.sim.now_ns + seconds * 1e9;
    while (this.sim.nextTime_ns <= end) this.sim.step();
    this.sim.now_ns = end;
  }

  get state(): number {
    return this.host.net.dhcp.d.dh_state;
  }

  get addr(): number {
    return this.host.net.ifnets.at(this.host.ifp).ia_addr;
  }
}

test('DHCP-1: discover, offer, request, acknowledgement: the interface has its address and gateway', () => {
  const s = new Server();
  s.run(1);
  expect(s.heard.map((h) => h.type)).toEqual([1, 3]);
  expect([s.state, s.addr]).toEqual([DHCP_BOUND, LEASED]);
  const ifp = s.host.net.ifnets.at(s.host.ifp);
  expect([ifp.ia_netmask, ifp.if_gateway]).toEqual([0xffff_ff00, SERVER]);
});

test('DHCP-2: nobody answers: asked again after about 4, 8, 16, 32, 64 s', () => {
  const s = new Server();
  s.answer = 0;
  s.host.net.dhcp.start(s.host.ifp, 99);
  s.heard.length = 0;
  s.run(300);
  const gaps = s.heard.slice(1).map((h, i) => h.at_s - (s.heard[i]?.at_s ?? 0));
  [8, 16, 32, 64, 64].forEach((wait, i) => {
    expect(Math.abs((gaps[i] ?? 0) - wait)).toBeLessThan(1.02);
  });
});

test('DHCP-3: the lease is renewed at half its time, by unicast; without an answer the address is given up at its end', () => {
  const s = new Server();
  s.run(1);
  s.run(1805);
  expect(s.heard.slice(2)).toMatchObject([{ type: 3, ciaddr: LEASED }]);
  expect(s.state).toBe(DHCP_BOUND);
  s.answer = 0;
  s.run(3650);
  expect([s.state, s.addr]).toEqual([DHCP_SELECTING, 0]);
});

test('DHCP-4: a domain that comes back asks whether the address is still its own', () => {
  const s = new Server();
  s.run(1);
  s.heard.length = 0;
  s.host.up();
  expect(s.state).toBe(DHCP_REBOOTING);
  s.run(1);
  expect(s.heard).toMatchObject([{ type: 3, ciaddr: 0 }]);
  expect([s.state, s.addr]).toEqual([DHCP_BOUND, LEASED]);
  // Nobody says no: it keeps what it has.
  s.answer = 0;
  s.host.up();
  s.run(200);
  expect([s.state, s.addr]).toEqual([DHCP_BOUND, LEASED]);
  s.answer = 6;
  s.host.up();
  s.run(0.5);
  expect([s.state, s.addr]).toEqual([DHCP_SELECTING, 0]);
});

test('DHCP-5: messages are read back as they were built, and no bytes make the parser throw', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 200, maxLength: 400 }),
      fc.boolean(),
      (bytes, cookie) => {
        if (cookie) bytes.set([2, 1, 6]);
        if (cookie && bytes.length >= 240) put32(bytes, 236, 0x6382_5363);
        parseDhcp(bytes);
      },
    ),
  );
  const built = buildDhcp({
    type: 1,
    xid: 7,
    chaddr: Uint8Array.of(1, 2, 3, 4, 5, 6),
    ciaddr: 0,
    requested: 9,
    server: 8,
  });
  expect(parseDhcp(built)).toBeUndefined();
  built[0] = 2;
  expect(parseDhcp(built)).toMatchObject({ type: 1, xid: 7, server: 8, lease: 0 });
});
