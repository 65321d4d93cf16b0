import { BytesMemory } from '@port-xen/layout';

/** A frame mapped in dom0: somebody is told of each store, for log-dirty mode. */
export class DirtyingMemory extends BytesMemory {
  readonly #dirty: () => void;

  constructor(bytes: Uint8Array, dirty: () => void) {
    super(bytes);
    this.#dirty = dirty;
  }

  override st8(address: number, value: number): void {
    super.st8(address, value);
    this.#dirty();
  }
  override st16(address: number, value: number): void {
    super.st16(address, value);
    this.#dirty();
  }
  override st32(address: number, value: number): void {
    super.st32(address, value);
    this.#dirty();
  }
  override write(address: number, from: Uint8Array): void {
    super.write(address, from);
    this.#dirty();
  }
}
