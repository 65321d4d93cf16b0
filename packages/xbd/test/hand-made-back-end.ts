/*
 * A back end that does only what the test says: it maps the ring as a back end does, and answers what it is told to.
 */
import { blkif_request, blkif_response } from '@port-xen/abi';
import type { Memory } from '@port-xen/layout';
import { BackRing } from '@port-xen/ring';
import type { DiskGuest } from './disk-guest.ts';

const RING_SLOTS = 32;
const RSP_PROD = 8;
const DEVID = 51728;

/** What the back end says of its disk. */
export interface Nodes {
  readonly sectors?: number;
  readonly info?: number;
  readonly 'feature-flush-cache'?: number;
  readonly 'feature-barrier'?: number;
}

export class HandMadeBackEnd {
  readonly guest: DiskGuest;
  readonly back: string;
  readonly front: string;
  readonly #page: Memory;
  readonly #ring: BackRing;
  readonly #port: number;
  readonly #unmap: () => void;

  /** Makes the device, and serves it as soon as the guest is Initialised. It is xbd0 if there is no other. */
  constructor(guest: DiskGuest, nodes: Nodes = {}) {
    this.guest = guest;
    const { store, hv } = guest.host;
    const { domid } = guest;
    this.back = `/local/domain/0/backend/hand/${domid}/${DEVID}`;
    this.front = `/local/domain/${domid}/device/vbd/${DEVID}`;
    store.transaction((tx) => {
      const write = (path: string, value: number | string, owner: number): void => {
        store.write(path, String(value), tx);
        const reader = owner === 0 ? domid : 0;
        store.setPermissions(
          path,
          [
            { domid: owner, access: 'n' },
            { domid: reader, access: 'r' },
          ],
          tx,
        );
      };
      write(this.back, '', 0);
      for (const [name, value] of Object.entries({ sectors: 100, info: 0, state: 2, ...nodes })) {
        write(`${this.back}/${name}`, value, 0);
      }
      write(this.front, '', domid);
      write(`${this.front}/backend`, this.back, domid);
      write(`${this.front}/backend-id`, 0, domid);
      write(`${this.front}/state`, 1, domid);
    });
    guest.host.runUntil('the front end to be Initialised', () => this.frontState === 3);
    const grant = hv.dom0.grantMap(domid, this.#number('ring-ref'), false);
    this.#page = grant.memory;
    this.#unmap = () => grant.unmap();
    this.#ring = new BackRing(grant.memory, RING_SLOTS, blkif_request.size);
    this.#port = hv.dom0.bindInterdomain(domid, this.#number('event-channel'), () => {});
    this.setState(4);
    guest.connected();
  }

  #number(name: string): number {
    return Number(this.guest.host.store.read(`${this.front}/${name}`));
  }

  get frontState(): number {
    return this.#number('state');
  }

  setState(state: number): void {
    this.guest.host.store.write(`${this.back}/state`, String(state));
  }

  /** Takes the next request. @returns its id, and the reference of its first page */
  take(): { readonly id: number; readonly ref: number; readonly operation: number } {
    const at = this.#ring.nextRequest();
    if (at === undefined) throw new Error('expected a request, found none');
    const request = blkif_request.at(this.#page, at);
    const { id, operation } = request;
    return { id, operation, ref: request.seg.at(0).gref };
  }

  /** Answers, whatever it is, and whether there was a request or not. */
  answer(id: number, status = 0): void {
    this.post(id, status);
    this.guest.host.runFor(1e6);
  }

  /** The same, from within an event of the world's. */
  post(id: number, status = 0): void {
    const response = blkif_response.at(this.#page, this.#ring.nextResponse());
    response.id = id;
    response.status = status;
    this.#ring.pushResponses();
    this.guest.host.hv.dom0.notify(this.#port);
  }

  /** Claims so many more answers than it has put. */
  claim(count: number): void {
    this.#page.st32(RSP_PROD, this.#page.ld32(RSP_PROD) + count);
    this.notify();
  }

  notify(): void {
    this.guest.host.hv.dom0.notify(this.#port);
    this.guest.host.runFor(1e6);
  }

  /** Lets go of ring and channel. */
  letGo(): void {
    this.guest.host.hv.dom0.close(this.#port);
    this.#unmap();
  }
}
