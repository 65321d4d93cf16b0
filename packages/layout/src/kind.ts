import type { Struct, View } from './struct.ts';

/** The widths and signs a scalar field can have. */
export type ScalarCode = 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'u64' | 'i64';

/** A field of one machine word, read and written as a Number. */
export interface Scalar {
  readonly kind: 'scalar';
  readonly code: ScalarCode;
  readonly size: number;
  readonly align: number;
}

/** A fixed run of bytes: `char[n]`, padding, an opaque image. */
export interface Bytes {
  readonly kind: 'bytes';
  readonly size: number;
  readonly align: 1;
}

/** A struct within a struct. */
export interface Nested<S extends Struct> {
  readonly kind: 'nested';
  readonly struct: S;
  readonly size: number;
  readonly align: number;
}

/** A fixed run of scalars or structs. */
export interface Repeated<E extends Scalar | Struct> {
  readonly kind: 'array';
  readonly element: E;
  readonly count: number;
  readonly size: number;
  readonly align: number;
}

// biome-ignore lint/suspicious/noExplicitAny: a field of any struct or element
export type Field = Scalar | Bytes | Nested<any> | Repeated<any>;

const scalar = (code: ScalarCode, size: number): Scalar => ({
  kind: 'scalar',
  code,
  size,
  align: size,
});

/** An unsigned byte. */
export const u8: Scalar = scalar('u8', 1);
/** A signed byte. */
export const i8: Scalar = scalar('i8', 1);
/** An unsigned 16-bit word. */
export const u16: Scalar = scalar('u16', 2);
/** A signed 16-bit word. */
export const i16: Scalar = scalar('i16', 2);
/** An unsigned 32-bit word. */
export const u32: Scalar = scalar('u32', 4);
/** A signed 32-bit word. */
export const i32: Scalar = scalar('i32', 4);
/** An unsigned 64-bit word as a Number: exact below 2^53. A PTE is not one: use its halves. */
export const u64: Scalar = scalar('u64', 8);
/** A signed 64-bit word as a Number: virtual addresses, and words whose all-ones value (-1) matters. */
export const i64: Scalar = scalar('i64', 8);

/** `n` opaque bytes. */
export const bytes = (n: number): Bytes => ({ kind: 'bytes', size: n, align: 1 });

/** A struct as a field. */
export const nest = <S extends Struct>(struct: S): Nested<S> => ({
  kind: 'nested',
  struct,
  size: struct.size,
  align: struct.align,
});

/** `count` scalars or structs in a row. */
export const array = <E extends Scalar | Struct>(element: E, count: number): Repeated<E> => ({
  kind: 'array',
  element,
  count,
  size: element.size * count,
  align: element.align,
});

/** A view of an array of scalars. */
export interface ScalarArray {
  readonly length: number;
  /** The element at `index`; a RangeError outside the array. */
  get(index: number): number;
  set(index: number, value: number): void;
  /** The address of the element at `index`. */
  address(index: number): number;
}

/** A view of an array of structs. */
export interface StructArray<S extends Struct> {
  readonly length: number;
  /** A view of the element at `index`; a RangeError outside the array. */
  at(index: number): View<S>;
  address(index: number): number;
}

/** What reading a field gives. */
export type ValueOf<F> = F extends Scalar
  ? number
  : F extends Bytes
    ? Uint8Array
    : F extends Nested<infer S extends Struct>
      ? View<S>
      : F extends Repeated<infer E>
        ? E extends Scalar
          ? ScalarArray
          : E extends Struct
            ? StructArray<E>
            : never
        : never;
