/*
 * A stack that does nothing: it keeps what it receives, and sends what it is told to. For tests of the driver below it.
 */
import { type Cpu, call, done, goto, leaf, routine, type Text } from '@port-xen/kern';
import { array, bytes, i64, struct, u32, u64, type View } from '@port-xen/layout';
import { IFF_OACTIVE, IFF_RUNNING, type IfAttach, M_CSUM_BLANK, MCLBYTES } from '@port-xen/netinet';
import type { NetworkStack, StackIfnet, StackMbufs } from '../src/index.ts';

const NMBUF = 256;
const KEPT = 64;

const mbuf = struct('test_mbuf', {
  m_next: i64,
  m_data: i64,
  m_len: u32,
  m_pktlen: u32,
  m_csum: u32,
  m_free: u32,
});

const ifnet = struct('test_ifnet', {
  if_softc: i64,
  if_output: i64,
  if_flags: u32,
  if_capenable: u32,
  if_mtu: u32,
  if_lladdr: bytes(6),
  if_ierrors: u64,
  if_oerrors: u64,
});

export const stack_data = struct('test_stack', {
  s_mbufs: array(mbuf, NMBUF),
  s_initialised: u32,
  s_free: i64,
  s_nfree: u32,
  s_nifnet: u32,
  s_ifnets: array(ifnet, 2),
  s_received: u32,
  /** Of the last frames received: length, M_CSUM_*, sum of the bytes. */
  s_length: array(u32, KEPT),
  s_csum: array(u32, KEPT),
  s_sum: array(u32, KEPT),
  s_ups: u32,
  s_downs: u32,
  s_readies: u32,
  s_in_flight: u32,
});

export const stack_clusters = struct('test_clusters', { c: bytes(NMBUF * MCLBYTES) });

export class TestStack implements NetworkStack, StackMbufs {
  readonly cpu: Cpu;
  readonly data: number;
  readonly clusters: number;

  constructor(cpu: Cpu, data: number, clusters: number) {
    this.cpu = cpu;
    this.data = data;
    this.clusters = clusters;
  }

  get d(): View<typeof stack_data> {
    return stack_data.at(this.cpu.memory, this.data);
  }

  get parts(): NetworkStack['parts'] {
    return {
      mbufs: this,
      ifnets: {
        at: (ifp) => ifnet.at(this.cpu.memory, ifp),
        attach: (_, driver) => this.#attach(driver),
      },
    };
  }

  #attach(driver: IfAttach): number {
    const { d } = this;
    const ifp = d.s_ifnets.at(d.s_nifnet++);
    ifp.if_softc = driver.softc;
    ifp.if_output = driver.output;
    ifp.if_mtu = driver.mtu;
    return ifp.address;
  }

  at(m: number): View<typeof mbuf> {
    return mbuf.at(this.cpu.memory, m);
  }

  /** Free mbufs are linked by m_next. */
  #init(): void {
    const { d } = this;
    if (d.s_initialised !== 0) return;
    d.s_initialised = 1;
    for (let i = 0; i < NMBUF; i++) {
      const m = d.s_mbufs.at(i);
      m.m_free = 1;
      m.m_data = this.clusters + i * MCLBYTES;
      m.m_next = d.s_free;
      d.s_free = m.address;
    }
    d.s_nfree = NMBUF;
  }

  get inUse(): number {
    this.#init();
    return NMBUF - this.d.s_nfree;
  }

  fromBytes(packet: Uint8Array): number {
    return this.chain([packet]);
  }

  /** A packet of these pieces, each in mbufs of its own. */
  chain(pieces: readonly Uint8Array[]): number {
    this.#init();
    const { d } = this;
    const parts = pieces.flatMap((piece) => {
      const count = Math.max(1, Math.ceil(piece.length / MCLBYTES));
      return Array.from({ length: count }, (_, i) =>
        piece.subarray(i * MCLBYTES, (i + 1) * MCLBYTES),
      );
    });
    if (d.s_nfree < parts.length) return 0;
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    let next = 0;
    for (const part of parts.reverse()) {
      const m = this.at(d.s_free);
      d.s_free = m.m_next;
      d.s_nfree--;
      m.m_free = 0;
      m.m_next = next;
      m.m_len = part.length;
      m.m_pktlen = length;
      m.m_csum = 0;
      this.cpu.memory.write(m.m_data, part);
      next = m.address;
    }
    return next;
  }

  toBytes(packet: number): Uint8Array {
    const out = new Uint8Array(this.at(packet).m_pktlen);
    let at = 0;
    for (let m = packet; m !== 0; m = this.at(m).m_next) {
      const { m_data, m_len } = this.at(m);
      this.cpu.memory.read(m_data, out.subarray(at, at + m_len));
      at += m_len;
    }
    return out;
  }

  freem(packet: number): void {
    const { d } = this;
    for (let m = packet; m !== 0; ) {
      const view = this.at(m);
      const next = view.m_next;
      if (view.m_free !== 0) throw new Error('test stack: an mbuf is freed twice');
      view.m_free = 1;
      view.m_next = d.s_free;
      d.s_free = m;
      d.s_nfree++;
      m = next;
    }
  }

  etherInput(_: number, m: number): void {
    const { d } = this;
    const frame = this.toBytes(m);
    const place = d.s_received++ % KEPT;
    d.s_length.set(place, frame.length);
    d.s_csum.set(place, this.at(m).m_csum);
    let sum = 0;
    for (let i = 0; i < frame.length; i++) sum += frame[i] as number;
    d.s_sum.set(place, sum);
    this.freem(m);
  }

  linkState(address: number, up: boolean): void {
    const ifp = ifnet.at(this.cpu.memory, address);
    ifp.if_flags = up ? IFF_RUNNING : 0;
    if (up) this.d.s_ups++;
    else this.d.s_downs++;
    // Says where it is, as a stack does when it may.
    if (up) this.output(this.fromBytes(this.frame(60, 0xff)));
  }

  get inFlight(): number {
    return this.d.s_in_flight;
  }

  ready(address: number): void {
    const ifp = ifnet.at(this.cpu.memory, address);
    ifp.if_flags &= ~IFF_OACTIVE;
    this.d.s_readies++;
  }

  get ifp(): StackIfnet & { readonly if_softc: number; readonly if_output: number } {
    return this.d.s_ifnets.at(0);
  }

  /** A frame to the peer (address …:09), or to everybody, of this interface's. */
  frame(length: number, to = 9): Uint8Array {
    const frame = new Uint8Array(length);
    for (let i = 0; i < length; i++) frame[i] = i;
    frame.set(to === 0xff ? new Uint8Array(6).fill(0xff) : [0, 0x16, 0x3e, 0, 0, to]);
    frame.set(this.ifp.if_lladdr, 6);
    frame.set([0x88, 0xb5], 12);
    return frame;
  }

  output(m: number): number {
    const { ifp } = this;
    const ready = (ifp.if_flags & (IFF_RUNNING | IFF_OACTIVE)) === IFF_RUNNING;
    if (ready && m !== 0) return this.cpu.call(ifp.if_output, ifp.if_softc, m);
    if (m !== 0) this.freem(m);
    return 55;
  }
}

export const stackText: Text<TestStack> = {
  /** (length, count) → how many were taken. */
  test_send: leaf((s, length, count) => {
    let taken = 0;
    for (let i = 0; i < count; i++) {
      if (s.output(s.fromBytes(s.frame(length))) === 0) taken++;
    }
    return taken;
  }),
  /** (count): a frame of 60 bytes each tick. */
  test_chatter: routine(struct('test_chatter_locals', { left: i64 }), {
    start: (_, l, count) => {
      l.left = count;
      return goto('next');
    },
    next: (s, l) => {
      if (l.left-- === 0) return done();
      s.output(s.fromBytes(s.frame(60)));
      return call('next', s.cpu.sym('tsleep'), l.address, 1);
    },
  }),
  /** (piece, …): a packet of so many bytes each, in mbufs of their own. @returns 0 or an errno */
  test_send_chain: leaf((s, ...lengths) => {
    const pieces: Uint8Array[] = [];
    const used = lengths.filter((length) => length > 0);
    const whole = s.frame(used.reduce((sum, length) => sum + length, 0));
    for (const length of used) {
      const at = pieces.reduce((sum, piece) => sum + piece.length, 0);
      pieces.push(whole.subarray(at, at + length));
    }
    return s.output(s.chain(pieces));
  }),
  /** A TCP segment of some data whose checksum is left to the back end. @returns 0 or an errno */
  test_send_blank: leaf((s, data) => {
    const frame = s.frame(54 + data);
    frame.set([8, 0, 0x45, 0, (40 + data) >> 8, (40 + data) & 255], 12);
    frame[20] = 0;
    frame[21] = 0;
    frame[23] = 6;
    const m = s.fromBytes(frame);
    s.at(m).m_csum = M_CSUM_BLANK;
    return s.output(m);
  }),
  test_in_flight: leaf((s, count) => {
    s.d.s_in_flight = count;
    return 0;
  }),
  test_received: leaf((s) => s.d.s_received),
  test_length: leaf((s, i) => s.d.s_length.get(i % KEPT)),
  test_csum: leaf((s, i) => s.d.s_csum.get(i % KEPT)),
  test_sum: leaf((s, i) => s.d.s_sum.get(i % KEPT)),
  test_mbufs: leaf((s) => s.inUse),
  test_ups: leaf((s) => s.d.s_ups),
  test_downs: leaf((s) => s.d.s_downs),
  test_readies: leaf((s) => s.d.s_readies),
  test_flags: leaf((s) => s.ifp.if_flags),
  test_capenable: leaf((s) => s.ifp.if_capenable),
  test_mtu: leaf((s) => s.ifp.if_mtu),
  test_ierrors: leaf((s) => s.ifp.if_ierrors),
  test_oerrors: leaf((s) => s.ifp.if_oerrors),
};
