import {
  CMSG_NETIF_BE,
  CMSG_NETIF_BE_CONNECT,
  CMSG_NETIF_BE_CREATE,
  control_msg,
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
import type { World } from './world.ts';

const MSG = control_msg.offset.msg;
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
): number | undefined => {
  const memory = new BytesMemory(new Uint8Array(control_msg.size));
  const view = control_msg.at(memory, 0);
  view.type = CMSG_NETIF_BE;
  view.subtype = subtype;
  view.length = payload.size;
  Object.assign(payload.at(memory, MSG), fields);
  back.receive(memory.bytes);
  return view.length === 0 ? undefined : memory.ld32(MSG + (payload.offset.status as number));
};

/** A front end of Xen 2's by hand: interface 0 of its domain, with its rings in frames 0x100 and 0x101. */
export class Xen2Front {
  readonly tx = new BytesMemory(new Uint8Array(4096));
  readonly rx = new BytesMemory(new Uint8Array(4096));
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
    world.xen.frames.set(`${domid} ${0x100}`, { bytes: this.tx.bytes, readonly: false });
    world.xen.frames.set(`${domid} ${0x101}`, { bytes: this.rx.bytes, readonly: false });
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
    const bytes = new Uint8Array(4096);
    this.#world.xen.frames.set(`${this.domid} ${mfn}`, { bytes, readonly });
    return bytes;
  }

  kick(): void {
    const port = this.#world.xen.bound.get(`${this.domid} ${this.port}`);
    if (port !== undefined) this.#world.xen.handlers.get(port)?.();
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
