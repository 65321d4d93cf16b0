/*
 * A host and, at the other end of the wire, nobody but the test: it sends segments made by hand and sees what comes back.
 */
import { Sim } from '@port-xen/sim';
import { ETHER_HDR_LEN, ETHERTYPE_ARP, etherType } from '../src/ether.ts';
import { get16, get32 } from '../src/in-addr.ts';
import { type Segment, TH_ACK, TH_SYN } from '../src/tcp-header.ts';
import { arpFrame, macOf, segmentOf, type TcpFields, tcpFrame } from './frames.ts';
import { Host, type HostOptions } from './host.ts';
import { A, B } from './pair.ts';

export const PORT = 40_000;

export class Peer {
  readonly sim: Sim = new Sim(1);
  host: Host;
  /** What the host sent since it was last looked at. */
  readonly frames: Uint8Array[] = [];
  seq = 1000;
  ack = 0;
  hostPort = 80;
  ts: readonly [number, number] | undefined;

  constructor(options: Partial<HostOptions> = {}) {
    this.host = new Host(this.sim, { addr: B, ...options });
    this.host.hardware.send = (frame) => this.#sent(frame);
    this.host.up();
    // The host knows the peer's Ethernet address from the start.
    this.host.receive(arpFrame({ op: 1, from: A, to: B }));
    this.frames.length = 0;
  }

  #sent(frame: Uint8Array): void {
    if (etherType(frame) === ETHERTYPE_ARP) this.#answerArp(frame);
    else this.frames.push(frame);
  }

  /** Every address but the host's own is the peer's. */
  #answerArp(frame: Uint8Array): void {
    const p = frame.subarray(ETHER_HDR_LEN);
    if (get16(p, 6) !== 1 || p.slice(14, 18).every((byte, i) => byte === p[24 + i])) return;
    const reply = arpFrame({ op: 2, from: get32(p, 24), to: B, mac: macOf(A) });
    this.sim.after(1000, () => this.host.receive(reply));
  }

  run(seconds: number): void {
    const end = this.sim.now_ns + seconds * 1e9;
    while (this.sim.nextTime_ns <= end) this.sim.step();
    this.sim.now_ns = end;
  }

  /** Segments that came since the last call. */
  take(): Segment[] {
    return this.frames.splice(0).flatMap((frame) => segmentOf(frame) ?? []);
  }

  send(fields: Partial<TcpFields> & { flags: number }): void {
    const ts = this.ts === undefined ? {} : { ts: this.ts };
    this.host.receive(
      tcpFrame({
        src: A,
        dst: B,
        sport: PORT,
        dport: this.hostPort,
        seq: this.seq,
        ack: this.ack,
        ...ts,
        ...fields,
      }),
    );
  }

  /** Connects to the host's port 80. @returns the listener and the connection's socket */
  open(fields: Partial<TcpFields> = {}): { listener: number; server: number } {
    const listener = this.host.listen(80);
    if (fields.ts !== undefined) this.ts = fields.ts;
    this.send({ flags: TH_SYN, mss: 1460, ...fields });
    this.run(0.01);
    const [synAck] = this.take();
    if (synAck === undefined) throw new Error('no SYN|ACK');
    this.seq++;
    this.ack = (synAck.seq + 1) >>> 0;
    if (this.ts !== undefined) this.ts = [this.ts[0], synAck.tsval];
    this.send({ flags: TH_ACK });
    const server = this.host.accept(listener);
    if (server === 0) throw new Error('not accepted');
    this.take();
    return { listener, server };
  }
}
