/*
 * What a domain has mapped of others' grants: handle → mapping (maptrack). A handle is the lowest free number.
 */

export interface Mapping {
  readonly domid: number;
  readonly ref: number;
  readonly mfn: number;
  /** GNTMAP_*. */
  readonly flags: number;
}

export class Maptrack {
  readonly #mappings: (Mapping | undefined)[] = [];
  readonly #max: number;

  /** @param max how many there may be */
  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#mappings.filter((mapping) => mapping !== undefined).length;
  }

  /** @returns the handle, -1 when there is no room */
  add(mapping: Mapping): number {
    let handle = this.#mappings.indexOf(undefined);
    if (handle < 0) handle = this.#mappings.length;
    if (handle >= this.#max) return -1;
    this.#mappings[handle] = mapping;
    return handle;
  }

  get(handle: number): Mapping | undefined {
    return this.#mappings[handle];
  }

  remove(handle: number): void {
    this.#mappings[handle] = undefined;
  }

  /** Every mapping, with its handle. */
  entries(): [number, Mapping][] {
    return [...this.#mappings.entries()].filter((e): e is [number, Mapping] => e[1] !== undefined);
  }
}
