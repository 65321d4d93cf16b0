/*
 * PAGE_DATA { count u32, reserved u32, count × u64 {pfn 51:0, type 63:60}, 4096 bytes for each that has data }.
 *
 * The list is read and checked whole before the visitor hears of it, because its length must agree with the
 * record's; the pages are not read at all until the visitor says where to, so that they go from the file
 * straight into a domain's frames. Buffers grow with the list that has arrived, and serve for the next batch.
 */
import { stream_xc_page_data } from '@port-xen/abi';
import type { BodyReader, PageSkipper } from './image-visitor.ts';
import { carriesData, isPageType, PAGE_SIZE } from './page-type.ts';
import type { RestoreState, StreamRecord } from './restore-state.ts';
import { requireStaticDataEnd } from './static-records.ts';

/** Words of the list that are looked at in one go. */
const CHUNK = 8192;

/** How many pages of data a type brings; UNKNOWN for what is no type. Looked up a million times and more. */
const UNKNOWN = 2;
const PAGES_OF = Uint8Array.from({ length: 16 }, (_, type) =>
  isPageType(type) ? Number(carriesData(type)) : UNKNOWN,
);

export class PageDataReader {
  readonly #state: RestoreState;
  #pfns = new Int32Array(1024);
  #types = new Uint8Array(1024);
  /** Bytes of pages that the visitor has not read; 0 when it is not its turn. */
  #left = 0;

  constructor(state: RestoreState) {
    this.#state = state;
  }

  read({ length }: StreamRecord): void {
    const state = this.#state;
    const { cursor } = state;
    const offset = cursor.recordOffset;
    const count = this.#readCount(length);
    const dataCount = this.#readList(count);
    const head = stream_xc_page_data.size + count * 8;
    if (length !== head + dataCount * PAGE_SIZE) {
      throw cursor.error(
        'PAGE_DATA record wrong size',
        `length ${head} + ${dataCount} pages of ${PAGE_SIZE}`,
        `${length}`,
      );
    }
    state.pages += dataCount;
    this.#left = dataCount * PAGE_SIZE;
    state.visitor.pageData?.(
      {
        pfns: this.#pfns.subarray(0, count),
        types: this.#types.subarray(0, count),
        dataCount,
        offset,
        dataOffset: cursor.offset,
        verify: state.verify,
      },
      this.#readPage,
      this.#skipPages,
    );
    cursor.skip(this.#left, 'PAGE_DATA');
    this.#left = 0;
  }

  readonly #readPage: BodyReader = (into) => {
    if (into.length === 0 || into.length % PAGE_SIZE !== 0 || into.length > this.#left) {
      throw new RangeError(
        `expected room for 1 … ${this.#left / PAGE_SIZE} pages of ${PAGE_SIZE} bytes, found ${into.length} bytes`,
      );
    }
    this.#left -= into.length;
    this.#state.cursor.fill(into, 'PAGE_DATA');
  };

  readonly #skipPages: PageSkipper = (pages) => {
    if (!Number.isInteger(pages) || pages < 0 || pages * PAGE_SIZE > this.#left) {
      throw new RangeError(`expected 0 … ${this.#left / PAGE_SIZE} pages, found ${pages}`);
    }
    this.#left -= pages * PAGE_SIZE;
    this.#state.cursor.skip(pages * PAGE_SIZE, 'PAGE_DATA');
  };

  #readCount(length: number): number {
    const { cursor } = this.#state;
    requireStaticDataEnd(this.#state);
    if (this.#state.maxPfn < 0) {
      throw cursor.error('Pages of no domain', 'X86_PV_P2M_FRAMES before PAGE_DATA', 'none');
    }
    const head = stream_xc_page_data.size;
    if (length < head) {
      throw cursor.error('PAGE_DATA record truncated', `length of at least ${head}`, `${length}`);
    }
    cursor.take(head, 'PAGE_DATA');
    const { count } = stream_xc_page_data.at(cursor.memory, 0);
    if (count < 1) {
      const words = 'Expected at least 1 pfn in PAGE_DATA record';
      throw cursor.error(words, 'a count of 1 or more', '0');
    }
    if (length < head + count * 8) {
      const words = `PAGE_DATA record too short to contain ${count} pfns worth of information`;
      throw cursor.error(words, `length of at least ${head + count * 8}`, `${length}`);
    }
    return count;
  }

  /** Reads `count` words of the list. @returns how many of the pages have data */
  #readList(count: number): number {
    const { cursor, maxPfn } = this.#state;
    let dataCount = 0;
    for (let at = 0; at < count; at += CHUNK) {
      const some = Math.min(CHUNK, count - at);
      cursor.take(some * 8, 'PAGE_DATA');
      this.#reserve(at + some, count);
      const { words } = cursor;
      for (let i = 0; i < some; i++) {
        const pfn = words[i * 2] ?? -1;
        const high = words[i * 2 + 1] ?? -1;
        const type = high >>> 28;
        if (pfn < 0 || pfn > maxPfn || (high & 0xfffff) !== 0) {
          const found = `0x${((high & 0xfffff) * 2 ** 32 + (pfn >>> 0)).toString(16)}`;
          const words = `pfn ${found} (index ${at + i}) outside domain maximum`;
          throw cursor.error(words, `at most 0x${maxPfn.toString(16)}`, found);
        }
        const pages = PAGES_OF[type] as number;
        if (pages === UNKNOWN) {
          const found = `0x${type.toString(16)}`;
          const words = `Unknown type ${found}0000000 for pfn 0x${pfn.toString(16)} (index ${at + i})`;
          throw cursor.error(words, 'a type of 0 … 4 or 9 … 15', found);
        }
        dataCount += pages;
        this.#pfns[at + i] = pfn;
        this.#types[at + i] = type;
      }
    }
    return dataCount;
  }

  #reserve(needed: number, count: number): void {
    if (needed <= this.#pfns.length) return;
    const size = Math.min(count, Math.max(needed, this.#pfns.length * 2));
    const pfns = new Int32Array(size);
    const types = new Uint8Array(size);
    pfns.set(this.#pfns);
    types.set(this.#types);
    this.#pfns = pfns;
    this.#types = types;
  }
}
