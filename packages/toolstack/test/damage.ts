/*
 * An image damaged in every way that is worth a test: each a name and bytes.
 */
import { ImageReader, type RecordPlace } from '@port-xen/migration-stream';
import { sourceOf } from './host.ts';

export interface Damaged {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export const concat = (...parts: readonly Uint8Array[]): Uint8Array => {
  const out = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};

/** A record with its padding. */
export const record = (type: number, ...body: readonly Uint8Array[]): Uint8Array => {
  const bytes = concat(...body);
  const head = new Uint8Array(Int32Array.of(type, bytes.length).buffer);
  return concat(head, bytes, new Uint8Array(-bytes.length & 7));
};

/** Little-endian words of 32 bits. */
export const words = (...values: readonly number[]): Uint8Array =>
  new Uint8Array(Int32Array.from(values).buffer);

const padded = (length: number): number => Math.ceil(length / 8) * 8;

/** Where the records of a good image are. */
export const recordsOf = (image: Uint8Array): RecordPlace[] => {
  const places: RecordPlace[] = [];
  new ImageReader(sourceOf(image)).read({ record: (place) => void places.push(place) });
  return places;
};

/** Cut at the boundary of each record and inside it, and in the headers before them. */
export function* cut(image: Uint8Array): Generator<Damaged> {
  const [first] = recordsOf(image);
  const ends = new Set<number>([0, 7, 8, 20]);
  for (let at = 0; at < (first?.offset ?? 0); at += 8) ends.add(at);
  for (const { offset, length } of recordsOf(image)) {
    for (const within of [0, 4, 8, 8 + Math.floor(length / 2), 8 + padded(length) - 1]) {
      ends.add(offset + within);
    }
  }
  for (const end of [...ends].sort((a, b) => a - b)) {
    if (end < image.length) yield { name: `cut at ${end}`, bytes: image.slice(0, end) };
  }
}

/** Each bit of the headers, of each record's type and length, and of each body's first words, turned over. */
export function* flipped(image: Uint8Array, bodyBytes: number, from = 0): Generator<Damaged> {
  const places: number[] = [];
  const records = recordsOf(image);
  for (let at = from; at < (records[0]?.offset ?? 0); at++) places.push(at);
  for (const { offset, length } of records) {
    for (let at = offset; at < offset + 8 + Math.min(length, bodyBytes); at++) places.push(at);
  }
  for (const at of places) {
    for (let bit = 0; bit < 8; bit++) {
      const bytes = image.slice();
      bytes[at] = (bytes[at] as number) ^ (1 << bit);
      yield { name: `bit ${bit} of byte ${at} turned over`, bytes };
    }
  }
}

/** Each record left out, sent twice, and changed with each other. */
export function* shuffled(image: Uint8Array): Generator<Damaged> {
  const records = recordsOf(image).filter(({ layer }) => layer === 'libxc');
  const start = records[0]?.offset ?? 0;
  const pieces = records.map(({ offset, length }) =>
    image.subarray(offset, offset + 8 + padded(length)),
  );
  const end = start + pieces.reduce((n, piece) => n + piece.length, 0);
  const whole = (some: readonly Uint8Array[]) =>
    concat(image.subarray(0, start), ...some, image.subarray(end));
  for (const [i, { name }] of records.entries()) {
    const piece = pieces[i] as Uint8Array;
    yield { name: `${name} left out`, bytes: whole(pieces.toSpliced(i, 1)) };
    yield { name: `${name} twice`, bytes: whole(pieces.toSpliced(i, 0, piece)) };
    for (let j = 0; j < i; j++) {
      const swapped = pieces.with(i, pieces[j] as Uint8Array).with(j, piece);
      yield { name: `${name} changed with ${records[j]?.name}`, bytes: whole(swapped) };
    }
  }
}

/** 64-bit words that a field may wrongly hold, for a domain of `pfns` pages. */
export const wrongWords = (pfns: number): bigint[] => [
  0n,
  1n,
  5n,
  13n,
  14n,
  500n,
  BigInt(pfns) - 1n,
  BigInt(pfns),
  0x7fff_ffffn,
  0xffff_ffffn,
  1n << 40n,
  (1n << 52n) - 1n,
  (1n << 63n) - 1n,
  1n << 63n,
  (1n << 64n) - 1n,
];

/** The word at an offset replaced. */
export const withWord = (image: Uint8Array, offset: number, word: bigint): Uint8Array => {
  const bytes = image.slice();
  new DataView(bytes.buffer).setBigUint64(offset, word, true);
  return bytes;
};

const VERSION_OFFSET = 12;

/** The same image with a stream of version 2: one without STATIC_DATA_END. @param image xl or bare libxc */
export const olderStream = (image: Uint8Array): Uint8Array => {
  const records = recordsOf(image);
  const mark = records.find(({ name }) => name === 'STATIC_DATA_END')?.offset ?? 0;
  const context = records.find(({ name }) => name === 'LIBXC_CONTEXT');
  const header = context === undefined ? 0 : context.offset + 8;
  const older = concat(image.subarray(0, mark), image.subarray(mark + 8));
  new DataView(older.buffer).setUint32(header + VERSION_OFFSET, 2);
  return older;
};
