/*
 * Bytes on their way to a sink. A record goes out in one gathering write: its 8-byte header, the parts of its
 * body, and zeros up to a multiple of 8.
 */
import { stream_record_header } from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';

/** Where a save file goes to. */
export interface Sink {
  /** Writes the chunks one after the other, all of them. They are the sink's until it returns, not longer. */
  write(chunks: readonly Uint8Array[]): void;
}

export class RecordOutput {
  readonly #sink: Sink;
  #offset = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Bytes written. */
  get offset(): number {
    return this.#offset;
  }

  /** Writes chunks as they are. */
  raw(chunks: readonly Uint8Array[]): void {
    this.#sink.write(chunks);
    for (const chunk of chunks) this.#offset += chunk.length;
  }

  /** Writes a record. @returns its offset */
  record(type: number, ...body: readonly Uint8Array[]): number {
    const offset = this.#offset;
    let length = 0;
    for (const part of body) length += part.length;
    const bytes = new Uint8Array(stream_record_header.size);
    const header = stream_record_header.at(new BytesMemory(bytes), 0);
    header.type = type;
    header.length = length;
    const padding = new Uint8Array(-length & 7);
    this.raw([bytes, ...body, padding].filter((part) => part.length > 0));
    return offset;
  }
}
