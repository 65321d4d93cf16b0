/*
 * Numbers that nobody outside can guess: made of the kernel's two secret words and of whom a connection is between.
 */
import { halfSipHash } from './siphash.ts';
import type { Endpoints, Tcp } from './tcp.ts';
import { seqAdd } from './tcp-seq.ts';

/** Ports given to whoever does not ask for one (RFC 6335). */
const PORT_FIRST = 49152;
const PORT_COUNT = 16384;
/** Nanoseconds in a step of the sequence number clock (RFC 9293, 3.4.1). */
const ISS_NS = 4000;

const HASH_ISS = 0;
const HASH_TIMESTAMP = 1;
const HASH_PORT = 2;

const hash = (tcp: Tcp, e: Endpoints, use: number): number => {
  const d = tcp.d;
  const words = [e.laddr, e.faddr, e.lport * 0x1_0000 + e.fport, use];
  return halfSipHash(d.tcp_secret0, d.tcp_secret1, words);
};

/** The initial sequence number: a clock plus a secret of the connection (RFC 6528, 3). */
export const newIss = (tcp: Tcp, e: Endpoints): number => {
  const steps = Math.floor(tcp.clock.uptime_ns() / ISS_NS) % 0x1_0000_0000;
  return seqAdd(steps, hash(tcp, e, HASH_ISS));
};

/** Where a connection's timestamps start (RFC 7323, 5.4). */
export const newTsOffset = (tcp: Tcp, e: Endpoints): number => hash(tcp, e, HASH_TIMESTAMP);

/** An unused port for a connection to that peer (RFC 6056, 3.3.3). @returns 0 when there is none */
export const ephemeralPort = (tcp: Tcp, laddr: number, faddr: number, fport: number): number => {
  const d = tcp.d;
  const offset = hash(tcp, { laddr, lport: 0, faddr, fport }, HASH_PORT);
  const others = tcp.all();
  for (let i = 0; i < PORT_COUNT; i++) {
    const port = PORT_FIRST + ((offset + d.tcp_nextport) % PORT_COUNT);
    d.tcp_nextport = (d.tcp_nextport + 1) >>> 0;
    const taken = others.some(
      (tp) =>
        tp.t_lport === port && (tp.t_fport === 0 || (tp.t_fport === fport && tp.t_faddr === faddr)),
    );
    if (!taken) return port;
  }
  return 0;
};
