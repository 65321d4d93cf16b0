/*
 * PAGE_DATA on its way out: one buffer for the record's header and its list of pfns, used again for each
 * batch, and the pages themselves by reference, so that a gathering write takes them from the domain's frames
 * without a copy.
 */
import { stream_record_header, stream_xc_page_data, XC_REC_TYPE_PAGE_DATA } from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import { carriesData, isPageType, PAGE_SIZE } from './page-type.ts';
import type { RecordOutput } from './record-output.ts';

/** The most pfns in a record, as Xen's tools write it. */
export const BATCH_MAX = 1024;

const HEAD = stream_record_header.size + stream_xc_page_data.size;

/** Complains about what the caller gave. */
export type Refuse = (expected: string, found: string) => Error;

export class PageDataOutput {
  readonly #bytes = new Uint8Array(HEAD + BATCH_MAX * 8);
  readonly #words = new Int32Array(this.#bytes.buffer, HEAD);
  readonly #memory = new BytesMemory(this.#bytes);

  /** @param maxPfn the domain's last pfn */
  write(
    output: RecordOutput,
    maxPfn: number,
    pfns: Int32Array,
    types: Uint8Array,
    pages: readonly Uint8Array[],
    refuse: Refuse,
  ): void {
    const count = pfns.length;
    if (count < 1 || count > BATCH_MAX) throw refuse(`1 … ${BATCH_MAX} pfns`, `${count}`);
    if (types.length !== count) throw refuse(`${count} types for as many pfns`, `${types.length}`);
    let dataSize = 0;
    for (let i = 0; i < count; i++) {
      const pfn = pfns[i] ?? -1;
      const type = types[i] ?? -1;
      if (pfn < 0 || pfn > maxPfn) throw refuse(`pfns of 0 … ${maxPfn}`, `${pfn} at index ${i}`);
      if (!isPageType(type)) throw refuse('types of 0 … 4 or 9 … 15', `${type} at index ${i}`);
      if (carriesData(type)) dataSize += PAGE_SIZE;
      this.#words[i * 2] = pfn;
      this.#words[i * 2 + 1] = type << 28;
    }
    let size = 0;
    for (const page of pages) size += page.length;
    if (size !== dataSize) throw refuse(`${dataSize} bytes of pages`, `${size}`);
    const header = stream_record_header.at(this.#memory, 0);
    header.type = XC_REC_TYPE_PAGE_DATA;
    header.length = stream_xc_page_data.size + count * 8 + dataSize;
    stream_xc_page_data.at(this.#memory, stream_record_header.size).count = count;
    output.raw([this.#bytes.subarray(0, HEAD + count * 8), ...pages]);
  }
}
