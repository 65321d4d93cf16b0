/*
 * What a domain has mapped of others' grants: handle → mapping (maptrack). The handle that was given back last is given next.
 */
import type { Domain } from './domain.ts';

export interface Mapping {
  /** Who granted: the domain itself, for its number may be another's by the time of the unmapping. */
  readonly granter: Domain;
  readonly ref: number;
  readonly mfn: number;
  /** GNTMAP_*: host_map and device_map go as each is unmapped. */
  flags: number;
}

/** struct grant_mapping is 16 bytes. */
const PER_FRAME = 256;

export class Maptrack {
  readonly #mappings: (Mapping | undefined)[] = [];
  readonly #freed: number[] = [];
  readonly #max: number;

  /** @param maxFrames 256 mappings each */
  constructor(maxFrames: number) {
    this.#max = maxFrames * PER_FRAME;
  }

  get count(): number {
    return this.#mappings.length - this.#freed.length;
  }

  /** There is no handle left. */
  get full(): boolean {
    return this.count >= this.#max;
  }

  /** @returns the handle; the table is not full */
  add(mapping: Mapping): number {
    const handle = this.#freed.pop() ?? this.#mappings.length;
    this.#mappings[handle] = mapping;
    return handle;
  }

  get(handle: number): Mapping | undefined {
    return this.#mappings[handle];
  }

  remove(handle: number): void {
    this.#mappings[handle] = undefined;
    this.#freed.push(handle);
  }

  /** Every mapping, with its handle. */
  entries(): [number, Mapping][] {
    return [...this.#mappings.entries()].filter((e): e is [number, Mapping] => e[1] !== undefined);
  }
}
