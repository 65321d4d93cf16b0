import {
  CMSG_NETIF_BE,
  CMSG_NETIF_BE_CONNECT,
  CMSG_NETIF_BE_CREATE,
  netif_be_connect,
  netif_be_create,
  XEN2_NETIF_RING_SIZE,
  xen2_netif_rx_request,
  xen2_netif_rx_response,
  xen2_netif_rx_ring,
  xen2_netif_tx_request,
  xen2_netif_tx_response,
  xen2_netif_tx_ring,
} from '@port-xen/abi';
import { BytesMemory, type Struct } from '@port-xen/layout';
import { ask } from '@tooling/backend-testbed';
import type { World } from './world.ts';

const SLOT = xen2_netif_tx_request.size;
const TX = xen2_netif_tx_ring.offset;
const RX = xen2_netif_rx_ring.offset;
const MASK = XEN2_NETIF_RING_SIZE - 1;

/** A message of the domain controller's, sent. @returns the status in its answer, or undefined for an answer of length 0 */
export const send = (
  { back }: Pick<World, 'back'>,
  subtype: number,
  payload: Struct,
  fields: object,
): number | undefined => ask(back, CMSG_NETIF_BE, subtype, payload, fields);

/** A front end of Xen 2's by hand: interface 0 of its domain, with its rings in frames 0x100 and 0x101. */
export class Xen2Front {
  readonly tx: BytesMemory;
  readonly rx: BytesMemory;
  readonly #world: World;
  readonly domid: number;
  readonly port = 7;
  #sent = 0;
  #sentTaken = 0;
  #posted = 0;
  #received = 0;

  constructor(world: World, domid: number) {
    this.#world = world;
    this.domid = domid;
    this.tx = new BytesMemory(world.xen.frame(domid, 0x100));
    this.rx = new BytesMemory(world.xen.frame(domid, 0x101));
    world.xen.unbound.add(`${domid} ${this.port}`);
    const mac = Uint8Array.of(0, 0x16, 0x3e, 0, 0, domid);
    send(world, CMSG_NETIF_BE_CREATE, netif_be_create, { domid, mac });
  }

  connect(tx = 0x100, rx = 0x101, evtchn = this.port): number | undefined {
    const { domid } = this;
    const fields = { domid, tx_shmem_frame: tx, rx_shmem_frame: rx, evtchn };
    return send(this.#world, CMSG_NETIF_BE_CONNECT, netif_be_connect, fields);
  }

  frame(mfn: number, readonly = false): Uint8Array {
    return this.#world.xen.frame(this.domid, mfn, readonly);
  }

  /** How often the back end rang. */
  get rung(): number {
    return this.#world.xen.rung(this.domid, this.port);
  }

  kick(): void {
    this.#world.xen.kick(this.domid, this.port);
  }

  /** Asks for bytes of a page to be sent. */
  send(id: number, addr: number, size: number): void {
    const request = xen2_netif_tx_request.at(this.tx, TX.ring + (this.#sent++ & MASK) * SLOT);
    request.addr = addr;
    request.id = id;
    request.size = size;
    this.tx.st32(TX.req_prod, this.#sent);
    this.kick();
  }

  /** What became of what was to be sent, since it was last asked. */
  sent(): { id: number; status: number }[] {
    const answers = [];
    while (this.#sentTaken !== this.tx.ld32(TX.resp_prod)) {
      const at = TX.ring + (this.#sentTaken++ & MASK) * SLOT;
      const { id, status } = xen2_netif_tx_response.at(this.tx, at);
      answers.push({ id, status });
    }
    return answers;
  }

  /** Has given pages away, and wants others with what is received. */
  post(...ids: readonly number[]): void {
    for (const id of ids) {
      xen2_netif_rx_request.at(this.rx, RX.ring + (this.#posted++ & MASK) * SLOT).id = id;
    }
    this.rx.st32(RX.req_prod, this.#posted);
    this.kick();
  }

  /** What was received since it was last asked. */
  received(): { id: number; status: number; bytes: Uint8Array }[] {
    const frames = [];
    while (this.#received !== this.rx.ld32(RX.resp_prod)) {
      const at = RX.ring + (this.#received++ & MASK) * SLOT;
      const { id, status, addr } = xen2_netif_rx_response.at(this.rx, at);
      const page = this.#world.xen.frames.get(`${this.domid} ${addr / 4096}`);
      const bytes = page?.bytes.slice(0, Math.max(status, 0)) ?? new Uint8Array(0);
      frames.push({ id, status, bytes });
    }
    return frames;
  }
}
