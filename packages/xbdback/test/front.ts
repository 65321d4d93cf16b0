import { blkif_request, blkif_response } from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import type { World } from './world.ts';

const ENTRIES = 32;
const FIRST = 64;

/** What a request says; `grefs` one for each segment. */
export interface Ask {
  operation: number;
  id: number;
  sector?: number;
  segments?: readonly { gref: number; first: number; last: number }[];
}

/** A front end by hand: the ring page, its index words, and the nodes. */
export class Front {
  readonly page: BytesMemory;
  readonly #world: World;
  readonly domid: number;
  readonly devid: number;
  readonly port: number;
  #produced = 0;
  #consumed = 0;

  constructor(world: World, domid: number, devid = 51712, port = 7, ringRef = 8) {
    this.#world = world;
    this.domid = domid;
    this.devid = devid;
    this.port = port;
    this.page = new BytesMemory(world.xen.grant(domid, ringRef));
    this.page.st32(4, 1);
    this.page.st32(12, 1);
    world.xen.unbound.add(`${domid} ${port}`);
    this.write('ring-ref', ringRef);
    this.write('event-channel', port);
    this.write('protocol', 'x86_64-abi');
  }

  write(name: string, value: string | number): void {
    const path = this.#world.frontPath(this.domid, this.devid);
    this.#world.store.write(`${path}/${name}`, String(value));
  }

  state(state: number): void {
    this.write('state', state);
    this.#world.settle();
  }

  grant(gref: number, readonly = false): Uint8Array {
    return this.#world.xen.grant(this.domid, gref, readonly);
  }

  /** Puts requests into the ring and rings the bell. */
  ask(...asks: readonly Ask[]): void {
    for (const ask of asks) {
      const at = FIRST + (this.#produced++ % ENTRIES) * blkif_request.size;
      const request = blkif_request.at(this.page, at);
      request.operation = ask.operation;
      request.id = ask.id;
      request.sector_number = ask.sector ?? 0;
      const segments = ask.segments ?? [];
      request.nr_segments = segments.length;
      for (const [i, { gref, first, last }] of segments.entries()) {
        const seg = request.seg.at(i);
        seg.gref = gref;
        seg.first_sect = first;
        seg.last_sect = last;
      }
    }
    this.page.st32(0, this.#produced);
    this.kick();
  }

  /** How often the back end rang. */
  get rung(): number {
    return this.#world.xen.rung(this.domid, this.port);
  }

  kick(): void {
    this.#world.xen.kick(this.domid, this.port);
  }

  /** Takes the responses that there are, and asks to be told of the next. */
  answers(): { id: number; operation: number; status: number }[] {
    const answers = [];
    while (this.#consumed !== this.page.ld32(8)) {
      const at = FIRST + (this.#consumed++ % ENTRIES) * blkif_request.size;
      const { id, operation, status } = blkif_response.at(this.page, at);
      answers.push({ id, operation, status });
    }
    this.page.st32(12, this.#consumed + 1);
    return answers;
  }
}
