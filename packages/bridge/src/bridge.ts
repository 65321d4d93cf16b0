/*
 * A learning bridge (IEEE 802.1D without spanning tree), one to a `bridge=` name of a host:
 *
 *     frame in ──▶ sound? ──▶ learn its source ──▶ destination known? ──┬─ here: filtered
 *                    │                                                  ├─ elsewhere: to that port
 *                    └─ dropped                                         └─ no, or a group: to every other port,
 *                                                                          as far as the sender's flood allowance goes
 *
 * An address heard on another port than before moves there at once: so a domain that came back on another host is found
 * with its first frame. Bridges joined in a circle send groups round for ever: do not join them so.
 */
import type { Sim } from '@port-xen/sim';
import { ETHER_HDR_LEN, type Frame, MAX_FRAME_BYTES, type Station } from './frame.ts';
import { MacTable, macAt } from './mac-table.ts';
import { type Cable, Port } from './port.ts';

/** What a bridge is made of. */
export interface BridgeParts {
  readonly sim: Sim;
  /** Its name on its host: `xenbr0`. */
  readonly name: string;
  /** Its host, where several share a world; 0. */
  readonly slot?: number;
  /** An address not heard for so long is forgotten; 300 s, as in Linux. */
  readonly ageing_ns?: number;
  /** Addresses at most; 1024. */
  readonly addresses?: number;
  /** Frames that one port may have flooded: at once, and a second; 2 000 and 50 000. */
  readonly floodBurst?: number;
  readonly floodRate?: number;
}

/** What has become of the frames that came in. */
export interface BridgeCounters {
  readonly forwarded: number;
  readonly flooded: number;
  /** For the port they came from. */
  readonly filtered: number;
  /** Too short, too long, from a group, or for the bridge itself. */
  readonly refused: number;
  /** Beyond the allowance. */
  readonly suppressed: number;
  /** Addresses not learnt for want of room. */
  readonly unlearnt: number;
}

interface Member {
  readonly port: Port;
  allowance: number;
  counted_ns: number;
}

/** The group bit of an address's first byte. */
const GROUP = 0x0100_0000_0000;
const isGroup = (mac: number): boolean => Math.floor(mac / GROUP) % 2 === 1;

/** 01:80:c2:00:00:00 to :0f, which a bridge does not pass on (IEEE 802.1D, table 7-10). */
const FIRST_RESERVED = 0x0180_c200_0000;
const isReserved = (mac: number): boolean => mac >= FIRST_RESERVED && mac < FIRST_RESERVED + 16;

const SECOND_NS = 1e9;

/** Passes frames between its ports. */
export class Bridge {
  readonly name: string;
  readonly #sim: Sim;
  readonly #stream: string;
  readonly #members = new Set<Member>();
  readonly #table: MacTable<Member>;
  readonly #floodBurst: number;
  readonly #floodRate: number;
  #attached = 0;
  readonly #counters = {
    forwarded: 0,
    flooded: 0,
    filtered: 0,
    refused: 0,
    suppressed: 0,
    unlearnt: 0,
  };

  constructor(parts: BridgeParts) {
    const { sim, name, slot = 0, ageing_ns = 300 * SECOND_NS, addresses = 1024 } = parts;
    this.name = name;
    this.#sim = sim;
    this.#stream = `bridge/${slot}/${name}`;
    this.#table = new MacTable(addresses, ageing_ns);
    this.#floodBurst = parts.floodBurst ?? 2_000;
    this.#floodRate = parts.floodRate ?? 50_000;
  }

  get counters(): BridgeCounters {
    return { ...this.#counters };
  }

  /** Ports there are: for conservation checks. */
  get ports(): number {
    return this.#members.size;
  }

  /** Addresses known, old ones that nobody met included. */
  get addresses(): number {
    return this.#table.size;
  }

  /** Connects a station. @param name of the port, for people */
  attach(name: string, station: Station, cable: Cable = {}): Port {
    const member: Member = {
      port: new Port({
        sim: this.#sim,
        name,
        station,
        cable,
        stream: `${this.#stream}/${this.#attached++}`,
        onFrame: (frame) => this.#receive(member, frame),
        onDetach: () => {
          this.#members.delete(member);
          this.#table.forget(member);
        },
      }),
      allowance: this.#floodBurst,
      counted_ns: this.#sim.now_ns,
    };
    this.#members.add(member);
    return member.port;
  }

  /** The name of the port on which an address (six bytes) was heard lately. */
  portOf(mac: Uint8Array): string | undefined {
    return this.#table.find(macAt(mac, 0), this.#sim.now_ns)?.port.name;
  }

  #receive(from: Member, frame: Frame): void {
    const { bytes } = frame;
    const counters = this.#counters;
    if (bytes.length < ETHER_HDR_LEN || bytes.length > MAX_FRAME_BYTES) {
      counters.refused++;
      return;
    }
    const { now_ns } = this.#sim;
    const destination = macAt(bytes, 0);
    const source = macAt(bytes, 6);
    if (source === 0 || isGroup(source) || isReserved(destination)) {
      counters.refused++;
      return;
    }
    if (!this.#table.learn(source, from, now_ns)) counters.unlearnt++;
    const to = isGroup(destination) ? undefined : this.#table.find(destination, now_ns);
    if (to === from) counters.filtered++;
    else if (to !== undefined) {
      counters.forwarded++;
      to.port.toStation.send(frame);
    } else this.#flood(from, frame, now_ns);
  }

  #flood(from: Member, frame: Frame, now_ns: number): void {
    const earned = ((now_ns - from.counted_ns) * this.#floodRate) / SECOND_NS;
    from.allowance = Math.min(this.#floodBurst, from.allowance + earned);
    from.counted_ns = now_ns;
    if (from.allowance < 1) {
      this.#counters.suppressed++;
      return;
    }
    from.allowance--;
    this.#counters.flooded++;
    for (const member of this.#members) if (member !== from) member.port.toStation.send(frame);
  }
}
