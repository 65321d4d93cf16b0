import { readFileSync } from 'node:fs';
import type { ImageSummary, ImageVisitor, Source } from '../src/index.ts';
import { ImageReader, type ImageReaderOptions } from '../src/index.ts';

/** Bytes as a source that gives at most `step` of them at a time. */
export const sourceOf = (bytes: Uint8Array, step = Number.POSITIVE_INFINITY): Source => {
  let at = 0;
  return {
    read: (into) => {
      const size = Math.min(into.length, bytes.length - at, step);
      into.set(bytes.subarray(at, at + size));
      at += size;
      return size;
    },
  };
};

export const readImage = (
  bytes: Uint8Array,
  visitor: ImageVisitor = {},
  options: ImageReaderOptions = {},
): ImageSummary => new ImageReader(sourceOf(bytes), options).read(visitor);

export const concat = (parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
};

/** Little-endian words of 32 bits. */
export const words = (...values: number[]): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Int32Array.from(values).buffer);

/** A sample file: `genuine-xen-4.17.libxc` was written by Xen's own code, `hand-made.xl` was taken by it. */
export const sample = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`./samples/${name}`, import.meta.url)));
