/*
 * The other end of a TCP connection, outside of every world: it calls the guest's echod, says a line, waits for it to come back, and
 * says the next. It is there on whichever host the guest is, and looks at what a Linux peer would look at: the timestamps (RFC 7323).
 *
 *     peer ── SYN ─► guest      a segment that is not acknowledged is sent again after 0.2 s, 0.4 s … 60 s, for ever
 *          ◄─ SYN/ACK ──        a timestamp that is older than the last one: PAWS, the segment would be dropped without a word
 *          ── line ──►          what a segment's timestamp says against the guest's own time: `stamps`
 *          ◄── line ──
 */
import type { Bridge, Frame, Port } from '@port-xen/bridge';
import type { Sim } from '@port-xen/sim';

const PEER_MAC = [0x02, 0, 0, 0, 0, 1];
const PEER_ADDRESS = [10, 9, 0, 1];
export const GUEST_MAC = '00:16:3e:09:00:02';
export const GUEST_ADDRESS = '10.9.0.2';
const PEER_PORT = 2008;
const ECHO_PORT = 7;

const ETHERTYPE_IP = 0x0800;
const ETHERTYPE_ARP = 0x0806;
const ARP_REQUEST = 1;
const IPPROTO_TCP = 6;
const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 16;
const HEADERS = 14 + 20;
/** Header and timestamp option. */
const TCP_BYTES = 32;
const SYN_BYTES = 36;
const LINE = 'to be or not to\n';
/** From one line's return to the next line. */
const PAUSE_NS = 40e6;
const RETRY_NS = 200e6;
const RETRY_MAX_NS = 60e9;

/** A segment of the guest's. */
export interface Stamp {
  /** World time at which it was seen, and which of the worlds that was, from 0. */
  readonly time_ns: number;
  readonly world: number;
  /** TSval, ms. */
  readonly value: number;
}

const bytesOf = (text: string, separator: string, radix: number): number[] =>
  text.split(separator).map((part) => Number.parseInt(part, radix));

const ipChecksum = (view: DataView): number => {
  let sum = 0;
  for (let at = 14; at < HEADERS; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
};

export class WirePeer {
  readonly stamps: Stamp[] = [];
  readonly faults: string[] = [];
  /** Lines that came back. */
  echoes = 0;
  /** The connection is there. */
  established = false;
  #sim!: Sim;
  #port!: Port;
  #world = -1;
  #next = 1000;
  #expected = 0;
  #recent = 0;
  /** What was said is not acknowledged, and how it is said. */
  #unacknowledged = true;
  #flags = SYN;
  #timer = 0;
  #retry_ns = RETRY_NS;
  /** Bytes of the line that are to come back. */
  #missing = 0;

  /** Joins a bridge, and leaves the one before. */
  join(sim: Sim, bridge: Bridge): void {
    this.#sim = sim;
    this.#world++;
    this.#port = bridge.attach('peer', { receive: (frame) => this.#receive(frame) });
    if (this.#unacknowledged) this.poke();
    else if (this.#missing === 0) this.#pause();
  }

  /** Sends what is not acknowledged now, and is patient no more. */
  poke(): void {
    if (!this.#unacknowledged) return;
    this.#retry_ns = RETRY_NS;
    this.#transmit();
  }

  #transmit(): void {
    this.#sim.cancel(this.#timer);
    this.#send(this.#flags, this.established ? LINE : '');
    this.#timer = this.#sim.after(this.#retry_ns, () => this.#transmit());
    this.#retry_ns = Math.min(2 * this.#retry_ns, RETRY_MAX_NS);
  }

  /** The next line in a while. */
  #pause(): void {
    this.#sim.after(PAUSE_NS, () => {
      this.#missing = LINE.length;
      this.#unacknowledged = true;
      this.poke();
    });
  }

  /** The peer's clock: its own. */
  get #now_ms(): number {
    return (1_000_000 * (this.#world + 1) + Math.floor(this.#sim.now_ns / 1e6)) >>> 0;
  }

  #send(flags: number, line: string): void {
    const header = (flags & SYN) !== 0 ? SYN_BYTES : TCP_BYTES;
    const bytes = new Uint8Array(HEADERS + header + line.length);
    const view = new DataView(bytes.buffer);
    bytes.set(bytesOf(GUEST_MAC, ':', 16));
    bytes.set(PEER_MAC, 6);
    view.setUint16(12, ETHERTYPE_IP);
    view.setUint16(14, 0x4500);
    view.setUint16(16, bytes.length - 14);
    view.setUint16(22, (64 << 8) | IPPROTO_TCP);
    bytes.set(PEER_ADDRESS, 26);
    bytes.set(bytesOf(GUEST_ADDRESS, '.', 10), 30);
    view.setUint16(24, ipChecksum(view));
    view.setUint16(HEADERS, PEER_PORT);
    view.setUint16(HEADERS + 2, ECHO_PORT);
    view.setUint32(HEADERS + 4, this.#next);
    view.setUint32(HEADERS + 8, (flags & ACK) !== 0 ? this.#expected : 0);
    view.setUint16(HEADERS + 12, ((header / 4) << 12) | flags);
    view.setUint16(HEADERS + 14, 8192);
    let at = HEADERS + 20;
    if ((flags & SYN) !== 0) {
      view.setUint32(at, 0x0204_05b4);
      at += 4;
    }
    view.setUint32(at, 0x0101_080a);
    view.setUint32(at + 4, this.#now_ms);
    view.setUint32(at + 8, this.#recent);
    bytes.set(new TextEncoder().encode(line), HEADERS + header);
    // Whoever is on the same host does not sum up what memory holds.
    this.#port.send({ bytes, checksum: 'blank' });
  }

  #receive({ bytes }: Frame): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const type = view.getUint16(12);
    if (type === ETHERTYPE_ARP) this.#answerArp(bytes, view);
    const mine =
      type === ETHERTYPE_IP && bytes[23] === IPPROTO_TCP && view.getUint16(36) === PEER_PORT;
    if (mine) this.#segment(view, 14 + (view.getUint8(14) & 15) * 4);
  }

  #answerArp(bytes: Uint8Array, view: DataView): void {
    const asked = PEER_ADDRESS.every((part, i) => bytes[38 + i] === part);
    if (view.getUint16(20) !== ARP_REQUEST || !asked) return;
    const answer = bytes.slice();
    answer.set(bytes.subarray(6, 12));
    answer.set(PEER_MAC, 6);
    answer[21] = 2;
    answer.set(PEER_MAC, 22);
    answer.set(PEER_ADDRESS, 28);
    answer.set(bytes.subarray(22, 32), 32);
    this.#port.send({ bytes: answer, checksum: 'none' });
  }

  #segment(view: DataView, tcp: number): void {
    const flags = view.getUint8(tcp + 13);
    const data = tcp + (view.getUint8(tcp + 12) >> 4) * 4;
    const length = 14 + view.getUint16(16) - data;
    if ((flags & RST) !== 0) {
      this.faults.push('the connection was reset');
      this.#sim.cancel(this.#timer);
      return;
    }
    if (!this.#stamp(view, tcp + 20, data)) return;
    if ((flags & SYN) !== 0) this.#expected = (view.getUint32(tcp + 4) + 1) >>> 0;
    const sequence = view.getUint32(tcp + 4);
    this.#acknowledged(view.getUint32(tcp + 8));
    if (length === 0 && (flags & (SYN | FIN)) === 0) return;
    if (length > 0 && sequence === this.#expected) {
      this.#expected = (this.#expected + length) >>> 0;
      this.#missing -= length;
      if (this.#missing === 0) {
        this.echoes++;
        this.#pause();
      }
    }
    this.#send(ACK, '');
  }

  #acknowledged(number: number): void {
    const whole = this.established ? LINE.length : 1;
    if (!this.#unacknowledged || number !== (this.#next + whole) >>> 0) return;
    this.#next = number;
    this.#unacknowledged = false;
    this.#sim.cancel(this.#timer);
    if (this.established) return;
    this.established = true;
    this.#flags = ACK;
    this.#pause();
  }

  /** Keeps a segment's timestamp. @returns whether a peer would take the segment */
  #stamp(view: DataView, from: number, end: number): boolean {
    for (let at = from; at < end; ) {
      const kind = view.getUint8(at);
      if (kind === 8) {
        const value = view.getUint32(at + 2);
        this.stamps.push({ time_ns: this.#sim.now_ns, world: this.#world, value });
        if (this.#recent !== 0 && ((value - this.#recent) | 0) < 0) {
          this.faults.push(`TCP's timestamps went back by ${(this.#recent - value) | 0} ms`);
          return false;
        }
        this.#recent = value;
        return true;
      }
      at += kind === 1 ? 1 : Math.max(2, view.getUint8(at + 1));
    }
    this.faults.push('a segment came without a timestamp');
    return true;
  }
}
