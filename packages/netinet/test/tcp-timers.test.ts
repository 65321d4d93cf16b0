import { expect, test } from 'vitest';
import { EHOSTDOWN, ETIMEDOUT } from '../src/errno.ts';
import { SO_KEEPALIVE } from '../src/socket-var.ts';
import { setOption } from '../src/sockopt.ts';
import {
  SOL_SOCKET,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
  TCP_USER_TIMEOUT,
} from '../src/sockopt-var.ts';
import { TH_ACK, TH_FIN, TH_RST } from '../src/tcp-header.ts';
import { tcpShutdown } from '../src/tcp-usrreq.ts';
import { TCPS_ESTABLISHED, TCPS_FIN_WAIT_1 } from '../src/tcp-var.ts';
import { segmentOf } from './frames.ts';
import type { Host } from './host.ts';
import { B, connected, type Pair, pair, pattern } from './pair.ts';
import { Peer } from './peer.ts';

const option = (host: Host, so: number, level: number, name: number, value: number): void => {
  const bytes = new Uint8Array(new Int32Array([value]).buffer);
  expect(setOption(host.net.tcp, host.so(so), level, name, bytes)).toBe(0);
};

/** Nothing passes from now on; when host a sends a segment is noted, in seconds. */
const cut = (p: Pair): number[] => {
  const at: number[] = [];
  p.wire.filter = (frame, from) => {
    if (from === 0 && segmentOf(frame) !== undefined) at.push(p.sim.now_ns / 1e9);
    return true;
  };
  return at;
};

const gaps = (at: readonly number[]): number[] =>
  at.slice(1).map((t, i) => Math.round(t - (at[i] as number)));

test('TCP-50: what is not acknowledged goes again after 1 s, 2 s, 4 s … 64 s; after the thirteenth timeout it is over', () => {
  const p = pair();
  const { client } = connected(p);
  const at = cut(p);
  p.a.write(client, pattern(100));
  expect(p.wire.run(1000, () => p.a.tcb(client) === undefined)).toBe(true);
  expect(gaps(at)).toEqual(
    [1, 2, 4, 8, 16, 32, 64, 64, 64, 64, 64, 64, 64].slice(0, at.length - 1),
  );
  // Twelve retransmissions and the reset that says goodbye.
  expect(at.length).toBe(14);
  expect(p.a.so(client).so_error).toBe(ETIMEDOUT);
});

test('TCP-50: the back-off ends with the first new measurement', () => {
  const p = pair();
  const { client, server } = connected(p);
  cut(p);
  p.a.write(client, pattern(100));
  p.wire.run(20);
  expect(p.a.tcb(client)?.t_rto).toBeGreaterThanOrEqual(16_000);
  p.wire.filter = () => false;
  p.wire.run(20, () => p.b.so(server).so_rcv.sb_cc === 100);
  p.wire.run(1);
  expect(p.a.tcb(client)?.t_rto).toBeLessThan(60_000);
  expect(p.a.tcb(client)?.t_rxtshift).toBe(0);
});

test('TCP-51: the timeout follows the round trip (RFC 6298)', () => {
  const p = pair({ delay_ns: 600_000_000 });
  const { client, server } = connected(p);
  for (let i = 0; i < 20; i++) {
    p.a.write(client, pattern(100));
    p.wire.run(2);
    p.b.read(server);
  }
  const tp = p.a.tcb(client);
  expect(tp?.t_srtt_us).toBeGreaterThan(1_190_000);
  expect(tp?.t_srtt_us).toBeLessThan(1_450_000);
  expect(tp?.t_rto).toBeGreaterThan(1200);
});

test('TCP-52: three duplicate ACKs resend at once; several losses of one window are mended a round trip each', () => {
  const p = pair({ delay_ns: 5_000_000 });
  const { client, server } = connected(p);
  p.a.write(client, pattern(40_000));
  p.wire.run(1);
  p.b.read(server);
  let segment = 0;
  const lost = new Set<number>();
  p.wire.filter = (frame, from) => {
    const seg = segmentOf(frame);
    if (from !== 0 || seg === undefined || seg.data.length === 0) return false;
    segment++;
    if (![2, 4, 6].includes(segment)) return false;
    lost.add(seg.seq);
    return true;
  };
  const bytes = pattern(30_000, 7);
  p.a.write(client, bytes);
  const start = p.sim.now_ns;
  p.wire.run(30, () => p.b.so(server).so_rcv.sb_cc === bytes.length);
  expect(p.b.read(server)).toEqual(bytes);
  expect(lost.size).toBe(3);
  expect(p.a.net.tcp.stat.tcps_fastrexmit).toBe(1);
  expect(p.a.net.tcp.stat.tcps_rexmttimeo).toBe(0);
  expect((p.sim.now_ns - start) / 1e9).toBeLessThan(0.1);
});

test('TCP-53: a closed window is probed with growing gaps for as long as the peer answers, and opens again', () => {
  const p = pair();
  const { client, server } = connected(p);
  const bytes = pattern(100_000);
  let sent = 0;
  p.wire.run(3, () => {
    sent += p.a.write(client, bytes.subarray(sent));
    return false;
  });
  expect(p.b.so(server).so_rcv.sb_cc).toBe(65536);
  expect(p.a.tcb(client)?.snd_wnd).toBe(0);
  p.wire.run(3600);
  expect(p.a.tcb(client)?.t_state).toBe(TCPS_ESTABLISHED);
  const probes = p.a.net.tcp.stat.tcps_sndprobe;
  expect(probes).toBeGreaterThan(50);
  expect(probes).toBeLessThan(80);
  let got = p.b.read(server);
  expect(got).toEqual(bytes.subarray(0, 65536));
  p.wire.run(100, () => {
    sent += p.a.write(client, bytes.subarray(sent));
    const more = p.b.read(server);
    got = Uint8Array.of(...got, ...more);
    return got.length === bytes.length;
  });
  expect(got).toEqual(bytes);
});

test('TCP-53: the window update is lost: a probe finds the open window', () => {
  const p = pair();
  const { client, server } = connected(p);
  p.a.write(client, pattern(65536));
  p.wire.run(2);
  p.a.write(client, pattern(5000, 3));
  p.wire.run(1);
  p.wire.filter = (_, from) => from === 1;
  p.b.read(server);
  p.wire.run(0.5);
  p.wire.filter = () => false;
  p.wire.run(70, () => p.b.so(server).so_rcv.sb_cc === 5000);
  expect(p.b.read(server)).toEqual(pattern(5000, 3));
});

test('TCP-53: a probe that is taken ends the probing; the connection is idle and lives', () => {
  const peer = new Peer();
  const { server } = peer.open();
  peer.send({ flags: TH_ACK, wnd: 0 });
  peer.host.write(server, Uint8Array.of(1));
  peer.run(2);
  expect(peer.take().map((seg) => seg.data.length)).toEqual([1]);
  peer.ack++;
  peer.send({ flags: TH_ACK, wnd: 0 });
  peer.run(3600);
  expect(peer.take()).toEqual([]);
  expect(peer.host.tcb(server)?.t_state).toBe(TCPS_ESTABLISHED);
});

test('TCP-53: a FIN waits for the window too; a peer that answers for ever cannot keep an orphan for ever', () => {
  const peer = new Peer();
  const { server } = peer.open();
  peer.send({ flags: TH_ACK, wnd: 0 });
  expect(tcpShutdown(peer.host.net.tcp, peer.host.so(server))).toBe(0);
  peer.run(0.5);
  expect(peer.take()).toEqual([]);
  const answer = (seconds: number): number => {
    let fins = 0;
    for (let i = 0; i < seconds; i++) {
      peer.run(1);
      for (const seg of peer.take()) {
        if ((seg.flags & TH_FIN) !== 0) fins++;
        if ((seg.flags & TH_RST) === 0) peer.send({ flags: TH_ACK, wnd: 0 });
      }
    }
    return fins;
  };
  expect(answer(1800)).toBeGreaterThan(20);
  expect(peer.host.tcb(server)?.t_state).toBe(TCPS_FIN_WAIT_1);
  peer.host.close(server);
  answer(900);
  expect(peer.host.net.tcp.all().some((tp) => tp.t_fport !== 0)).toBe(false);
});

test('TCP-54: keepalive: an idle peer that answers keeps its connection, one that does not loses it', () => {
  const p = pair();
  const { client } = connected(p);
  option(p.a, client, 6, TCP_KEEPIDLE, 60);
  option(p.a, client, 6, TCP_KEEPINTVL, 10);
  option(p.a, client, 6, TCP_KEEPCNT, 3);
  option(p.a, client, SOL_SOCKET, SO_KEEPALIVE, 1);
  p.wire.run(1000);
  expect(p.a.tcb(client)?.t_state).toBe(TCPS_ESTABLISHED);
  expect(p.a.net.tcp.stat.tcps_keepprobe).toBeGreaterThanOrEqual(15);
  const before = p.sim.now_ns;
  cut(p);
  expect(p.wire.run(200, () => p.a.tcb(client) === undefined)).toBe(true);
  expect(p.a.so(client).so_error).toBe(ETIMEDOUT);
  expect((p.sim.now_ns - before) / 1e9).toBeLessThanOrEqual(60 + 3 * 10 + 1);
});

test('TCP-54: without SO_KEEPALIVE an idle connection lives for ever', () => {
  const p = pair();
  const { client, server } = connected(p);
  p.wire.run(5);
  const carried = p.wire.carried;
  p.wire.run(3 * 3600);
  expect(p.wire.carried).toBe(carried);
  p.a.write(client, pattern(10));
  p.wire.run(1);
  expect(p.b.read(server)).toEqual(pattern(10));
});

test('TCP-55: user timeout: sent data waits no longer than the program lets it', () => {
  const p = pair();
  const { client } = connected(p);
  option(p.a, client, 6, TCP_USER_TIMEOUT, 5000);
  cut(p);
  p.a.write(client, pattern(10));
  const start = p.sim.now_ns;
  expect(p.wire.run(100, () => p.a.tcb(client) === undefined)).toBe(true);
  const waited = (p.sim.now_ns - start) / 1e9;
  // A timer of n ticks fires n − 1 to n ticks later.
  expect(waited).toBeGreaterThanOrEqual(4.98);
  expect(waited).toBeLessThan(5.1);
  expect(p.a.so(client).so_error).toBe(ETIMEDOUT);
});

test('TCP-55: the user timeout counts from when data waits, also before a closed window, not from the last traffic', () => {
  const peer = new Peer();
  const { server } = peer.open();
  peer.send({ flags: TH_ACK, wnd: 0 });
  option(peer.host, server, 6, TCP_USER_TIMEOUT, 5000);
  peer.run(600);
  peer.host.write(server, pattern(10));
  peer.run(4);
  expect(peer.host.tcb(server)?.t_state).toBe(TCPS_ESTABLISHED);
  peer.run(2);
  expect(peer.host.so(server).so_error).toBe(ETIMEDOUT);
});

test('TCP-53: a peer that is silent behind a closed window is given up', () => {
  const peer = new Peer();
  const { server } = peer.open();
  peer.send({ flags: TH_ACK, wnd: 0 });
  peer.run(3600);
  peer.host.write(server, pattern(10));
  peer.run(500);
  expect(peer.host.tcb(server)?.t_state).toBe(TCPS_ESTABLISHED);
  peer.run(100);
  expect(peer.host.so(server).so_error).toBe(ETIMEDOUT);
});

test('TCP-56: one segment is acknowledged within 200 ms, the second at once', () => {
  const peer = new Peer();
  peer.open();
  const send = (n: number): void => {
    peer.send({ flags: TH_ACK, data: pattern(n) });
    peer.seq += n;
  };
  send(100);
  peer.run(0.15);
  expect(peer.take()).toEqual([]);
  peer.run(0.06);
  expect(peer.take()).toMatchObject([{ ack: peer.seq }]);
  send(1000);
  expect(peer.take()).toEqual([]);
  send(1000);
  expect(peer.take()).toMatchObject([{ ack: peer.seq }]);
  peer.send({ flags: TH_ACK, seq: peer.seq + 10, data: Uint8Array.of(1) });
  expect(peer.take()).toMatchObject([{ ack: peer.seq }]);
});

test('TCP-57: Nagle: a small segment waits for what is outstanding, unless TCP_NODELAY', () => {
  const peer = new Peer();
  const { server } = peer.open();
  peer.host.write(server, pattern(10));
  peer.host.write(server, pattern(10));
  expect(peer.take().map((s) => s.data.length)).toEqual([10]);
  peer.send({ flags: TH_ACK, ack: peer.ack + 10 });
  expect(peer.take().map((s) => s.data.length)).toEqual([10]);
  option(peer.host, server, 6, TCP_NODELAY, 1);
  peer.host.write(server, pattern(5));
  peer.host.write(server, pattern(5));
  expect(peer.take().map((s) => s.data.length)).toEqual([5, 5]);
});

test('TCP-58: no sliver of a window is offered', () => {
  const peer = new Peer();
  const { server } = peer.open({ wscale: 7 });
  const fill = pattern(65535);
  for (let at = 0; at < fill.length; at += 1460) {
    peer.send({ flags: TH_ACK, data: fill.subarray(at, at + 1460), seq: peer.seq + at });
  }
  peer.seq += fill.length;
  peer.run(1);
  const closed = peer.take().at(-1);
  expect(closed).toMatchObject({ ack: peer.seq >>> 0, wnd: 0 });
  peer.host.read(server, 1000);
  peer.run(1);
  expect(peer.take()).toEqual([]);
  peer.host.read(server, 2000);
  expect(peer.take().at(-1)?.wnd).toBeGreaterThanOrEqual(2920 >> 1);
});

test('TCP-59: after a timeout slow start begins anew; after silence the window is the initial one', () => {
  const p = pair();
  const { client, server } = connected(p);
  p.a.write(client, pattern(60_000));
  p.wire.run(1);
  p.b.read(server);
  const tp = p.a.tcb(client);
  expect(tp?.snd_cwnd).toBeGreaterThan(20_000);
  p.wire.run(10);
  let first = 0;
  p.wire.filter = (frame, from) => {
    if (from === 0 && (segmentOf(frame)?.data.length ?? 0) > 0) first++;
    return true;
  };
  p.a.write(client, pattern(60_000));
  expect(first).toBe(3);
  p.wire.run(1.5);
  expect(p.a.tcb(client)?.snd_cwnd).toBe(1460);
});

test('TCP-60: the driver has no room: nothing is lost, and sending goes on when it has', () => {
  const p = pair();
  const { client, server } = connected(p);
  p.a.setActive(true);
  p.a.write(client, pattern(30_000));
  p.wire.run(0.5);
  expect(p.b.so(server).so_rcv.sb_cc).toBe(0);
  p.a.setActive(false);
  p.wire.run(0.5);
  expect(p.b.read(server)).toEqual(pattern(30_000));
  expect(p.a.net.tcp.stat.tcps_sndrexmitpack).toBe(0);
});

test('TCP-60: what could not be sent again while the driver had no room goes again when it has', () => {
  const p = pair();
  const { client, server } = connected(p);
  // The window opens first, so that enough is in flight for duplicate acknowledgements.
  p.a.write(client, pattern(20_000));
  p.wire.run(1);
  expect(p.b.read(server)).toEqual(pattern(20_000));
  let lost = 0;
  p.wire.filter = (_, from) => from === 0 && lost++ === 0;
  p.a.write(client, pattern(10_000));
  p.a.setActive(true);
  p.wire.run(0.5);
  expect(p.a.tcb(client)?.t_dupacks).toBeGreaterThan(2);
  p.a.setActive(false);
  p.wire.run(5);
  expect(p.b.read(server)).toEqual(pattern(10_000));
});

test('TCP-60: while the link is down nothing is lost either; if it stays down the program is told', () => {
  const p = pair();
  const { client, server } = connected(p);
  p.a.net.inet.linkState(p.a.ifp, false);
  p.a.write(client, pattern(3000));
  const late = p.a.stream();
  expect(p.a.net.calls.connect(p.a.so(late), { addr: B, port: 80 })).toBe(0);
  p.wire.run(20);
  expect(p.b.so(server).so_rcv.sb_cc).toBe(0);
  p.a.up();
  p.wire.run(0.05);
  expect(p.b.read(server)).toEqual(pattern(3000));
  expect(p.a.tcb(late)?.t_state).toBe(TCPS_ESTABLISHED);
  p.a.net.inet.linkState(p.a.ifp, false);
  p.a.write(client, pattern(10));
  expect(p.wire.run(1500, () => p.a.tcb(client) === undefined)).toBe(true);
  expect(p.a.so(client).so_error).toBe(ETIMEDOUT);
});

test('TCP-61: the interface takes smaller packets than before: segments follow', () => {
  const p = pair();
  const { client, server } = connected(p);
  p.a.net.ifnets.at(p.a.ifp).if_mtu = 1000;
  p.a.write(client, pattern(20_000));
  p.wire.run(1);
  expect(p.b.read(server)).toEqual(pattern(20_000));
  expect(p.a.tcb(client)?.t_maxseg).toBe(960);
});

test('TCP-62: a host that does not answer ARP is told as such', () => {
  const p = pair();
  const client = p.a.connect(0x0a00_0063, 80);
  p.wire.run(300, () => p.a.tcb(client) === undefined);
  expect(p.a.so(client).so_error).toBe(EHOSTDOWN);
  expect(p.a.counts().mbufs).toBe(0);
});
