import {
  netif_extra_info,
  netif_rx_request,
  netif_rx_response,
  netif_tx_request,
  netif_tx_response,
} from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import type { World } from './world.ts';

const ENTRIES = 256;
const FIRST = 64;
const PORT = 7;

/** What a slot of the transmit ring says. */
export type Slot =
  | { gref: number; size: number; offset?: number; flags?: number; id?: number }
  | { type: number; more?: boolean };

/** A front end by hand: both ring pages, their index words, and the nodes. */
export class Front {
  readonly tx: BytesMemory;
  readonly rx: BytesMemory;
  readonly domid: number;
  readonly #world: World;
  #txProduced = 0;
  #txConsumed = 0;
  #rxProduced = 0;
  #rxConsumed = 0;

  constructor(world: World, domid: number, nodes: Record<string, string> = {}) {
    this.#world = world;
    this.domid = domid;
    this.tx = new BytesMemory(world.xen.grant(domid, 8));
    this.rx = new BytesMemory(world.xen.grant(domid, 9));
    for (const page of [this.tx, this.rx]) {
      page.st32(4, 1);
      page.st32(12, 1);
    }
    world.xen.unbound.add(`${domid} ${PORT}`);
    const all = {
      'tx-ring-ref': '8',
      'rx-ring-ref': '9',
      'event-channel': String(PORT),
      'request-rx-copy': '1',
      'feature-sg': '1',
      ...nodes,
    };
    for (const [name, value] of Object.entries(all)) this.write(name, value);
  }

  write(name: string, value: string | number): void {
    this.#world.store.write(`${this.#world.frontPath(this.domid)}/${name}`, String(value));
  }

  state(state: number): void {
    this.write('state', state);
    this.#world.settle();
  }

  grant(gref: number, readonly = false): Uint8Array {
    return this.#world.xen.grant(this.domid, gref, readonly);
  }

  /** Puts slots into the transmit ring and rings the bell, if asked to. */
  transmit(...slots: readonly Slot[]): void {
    const before = this.#txProduced;
    for (const slot of slots) {
      const at = FIRST + (this.#txProduced++ % ENTRIES) * netif_tx_request.size;
      if ('type' in slot) {
        const extra = netif_extra_info.at(this.tx, at);
        extra.type = slot.type;
        extra.flags = slot.more ? 1 : 0;
        continue;
      }
      const request = netif_tx_request.at(this.tx, at);
      request.gref = slot.gref;
      request.offset = slot.offset ?? 0;
      request.flags = slot.flags ?? 0;
      request.id = slot.id ?? 0;
      request.size = slot.size;
    }
    this.#publish(this.tx, before, this.#txProduced);
  }

  /** Posts a page for each reference; ids are the references. */
  post(...grefs: readonly number[]): void {
    const before = this.#rxProduced;
    for (const gref of grefs) {
      const at = FIRST + (this.#rxProduced++ % ENTRIES) * netif_rx_request.size;
      const request = netif_rx_request.at(this.rx, at);
      request.id = gref;
      request.gref = gref;
    }
    this.#publish(this.rx, before, this.#rxProduced);
  }

  #publish(page: BytesMemory, before: number, after: number): void {
    page.st32(0, after);
    if ((after - page.ld32(4)) >>> 0 < (after - before) >>> 0) this.kick();
  }

  kick(): void {
    this.#world.xen.kick(this.domid, PORT);
    this.#world.settle();
  }

  /** How often the back end rang. */
  get rung(): number {
    return this.#world.xen.rung(this.domid, PORT);
  }

  /** Takes the responses to what was transmitted, and asks to be told of the next. */
  transmitted(): [id: number, status: number][] {
    const answers: [number, number][] = [];
    while (this.#txConsumed !== this.tx.ld32(8)) {
      const at = FIRST + (this.#txConsumed++ % ENTRIES) * netif_tx_request.size;
      const { id, status } = netif_tx_response.at(this.tx, at);
      answers.push([id, status]);
    }
    this.tx.st32(12, this.#txConsumed + 1);
    return answers;
  }

  /** Takes what was received, and asks to be told of the next. */
  received(): { id: number; offset: number; flags: number; status: number }[] {
    const answers = [];
    while (this.#rxConsumed !== this.rx.ld32(8)) {
      const at = FIRST + (this.#rxConsumed++ % ENTRIES) * netif_rx_response.size;
      const { id, offset, flags, status } = netif_rx_response.at(this.rx, at);
      answers.push({ id, offset, flags, status });
    }
    this.rx.st32(12, this.#rxConsumed + 1);
    return answers;
  }
}

/** The address of domain `last`'s interface, or of the peer (9). */
export const mac = (last: number): number[] => [0, 0x16, 0x3e, 0, 0, last];

/** A frame to `to` from `from`, filled with `fill` after the type. */
export const etherFrame = (to: number, from: number, length = 60, fill = 0): Uint8Array => {
  const bytes = new Uint8Array(length).fill(fill);
  bytes.set([...mac(to), ...mac(from), 0x88, 0xb5]);
  return bytes;
};

/** A whole TCP segment without data, its checksum field empty. */
export const tcpFrame = (to: number, from: number): Uint8Array => {
  const bytes = etherFrame(to, from, 54);
  bytes.set([8, 0, 0x45, 0, 0, 40], 12);
  bytes[23] = 6;
  return bytes;
};
