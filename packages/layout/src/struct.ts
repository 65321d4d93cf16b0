/*
 * A struct is laid out as a C compiler for x86-64 lays it out: each field at the next multiple of its
 * alignment, the whole padded to the largest alignment. From the layout one class is generated, with the
 * offsets as literals, because that is what V8 makes as fast as a hand-written access:
 *
 *     struct('sched_poll', { ports: i64, nr_ports: u32, timeout: u64 })
 *
 *     class sched_poll {
 *       get nr_ports() { return this.memory.ld32(this.address + 8) >>> 0; }
 *       set nr_ports(v) { this.memory.st32(this.address + 8, v); }
 *       …
 *     }
 *
 * A view is a pair (memory, address) and holds nothing else, so it can be frozen, thrown away and made again.
 */
import type { Field, Scalar, ScalarArray, ScalarCode, ValueOf } from './kind.ts';
import { ldI64, ldU64, type Memory, st64 } from './memory.ts';

export type Fields = Readonly<Record<string, Field>>;

/** A C struct: its layout, and the views on it. */
// biome-ignore lint/suspicious/noExplicitAny: a struct of any fields
export interface Struct<F extends Fields = any> {
  readonly name: string;
  /** Bytes, trailing padding included. */
  readonly size: number;
  readonly align: number;
  readonly fields: F;
  /** Byte offset of each field. */
  readonly offset: { readonly [K in keyof F]: number };
  /** A view of the struct that starts at `address`. */
  at(memory: Memory, address: number): ViewOf<F>;
}

/** A view's own part: where it looks. */
export interface Placed {
  readonly memory: Memory;
  readonly address: number;
}

export type ViewOf<F extends Fields> = Placed & { [K in keyof F]: ValueOf<F[K]> };

/** The view type of a struct: `View<typeof shared_info>`. */
export type View<S extends Struct> = S extends Struct<infer F extends Fields> ? ViewOf<F> : never;

const LOAD: Record<ScalarCode, (a: string) => string> = {
  u8: (a) => `m.ld8(${a})`,
  i8: (a) => `(m.ld8(${a}) << 24 >> 24)`,
  u16: (a) => `m.ld16(${a})`,
  i16: (a) => `(m.ld16(${a}) << 16 >> 16)`,
  u32: (a) => `(m.ld32(${a}) >>> 0)`,
  i32: (a) => `m.ld32(${a})`,
  u64: (a) => `ldU64(m, ${a})`,
  i64: (a) => `ldI64(m, ${a})`,
};

const STORE: Record<ScalarCode, (a: string) => string> = {
  u8: (a) => `m.st8(${a}, v)`,
  i8: (a) => `m.st8(${a}, v)`,
  u16: (a) => `m.st16(${a}, v)`,
  i16: (a) => `m.st16(${a}, v)`,
  u32: (a) => `m.st32(${a}, v)`,
  i32: (a) => `m.st32(${a}, v)`,
  u64: (a) => `st64(m, ${a}, v)`,
  i64: (a) => `st64(m, ${a}, v)`,
};

/** The address of an element, checked: a wrong index is a bug of ours, never of the memory's contents. */
const elementAt = (base: number, size: number, length: number, index: number): number => {
  if (!Number.isInteger(index) || index < 0 || index >= length) {
    throw new RangeError(`expected an index within [0, ${length}), found ${index}`);
  }
  return base + index * size;
};

/** A view of an array of structs. */
class StructArrayView {
  readonly #memory: Memory;
  readonly #base: number;
  readonly #element: Struct;
  readonly length: number;

  constructor(memory: Memory, base: number, element: Struct, length: number) {
    this.#memory = memory;
    this.#base = base;
    this.#element = element;
    this.length = length;
  }

  address(index: number): number {
    return elementAt(this.#base, this.#element.size, this.length, index);
  }

  at(index: number): object {
    return this.#element.at(this.#memory, this.address(index));
  }
}

type ScalarArrayClass = new (memory: Memory, base: number, length: number) => ScalarArray;

/** A class for arrays of one scalar, with its loads and stores as literals. */
const scalarArray = (code: ScalarCode): ScalarArrayClass =>
  new Function(
    'ldU64',
    'ldI64',
    'st64',
    'elementAt',
    `return class {
      constructor(memory, base, length) { this.memory = memory; this.base = base; this.length = length; }
      address(index) { return elementAt(this.base, ${SIZE[code]}, this.length, index); }
      get(index) { const m = this.memory; const a = this.address(index); return ${LOAD[code]('a')}; }
      set(index, v) { const m = this.memory; const a = this.address(index); ${STORE[code]('a')}; }
    };`,
  )(ldU64, ldI64, st64, elementAt);

const SIZE: Readonly<Record<ScalarCode, number>> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  u64: 8,
  i64: 8,
};

const SCALAR_ARRAYS: Readonly<Record<ScalarCode, ScalarArrayClass>> = {
  u8: scalarArray('u8'),
  i8: scalarArray('i8'),
  u16: scalarArray('u16'),
  i16: scalarArray('i16'),
  u32: scalarArray('u32'),
  i32: scalarArray('i32'),
  u64: scalarArray('u64'),
  i64: scalarArray('i64'),
};

const arrayView = (
  memory: Memory,
  base: number,
  { element, count }: Field & { kind: 'array' },
): object =>
  element.kind === 'scalar'
    ? new SCALAR_ARRAYS[(element as Scalar).code](memory, base, count)
    : new StructArrayView(memory, base, element, count);

const accessor = (name: string, field: Field, offset: number): string => {
  const a = `this.address + ${offset}`;
  const where = `const m = this.memory;`;
  const key = JSON.stringify(name);
  switch (field.kind) {
    case 'scalar':
      return `get ${key}() { ${where} return ${LOAD[field.code](a)}; }
        set ${key}(v) { ${where} ${STORE[field.code](a)}; }`;
    case 'bytes':
      return `get ${key}() { const b = new Uint8Array(${field.size}); this.memory.read(${a}, b); return b; }
        set ${key}(v) { writeBytes(this.memory, ${a}, ${field.size}, v); }`;
    case 'nested':
      return `get ${key}() { return fields[${key}].struct.at(this.memory, ${a}); }`;
    case 'array':
      return `get ${key}() { return arrayView(this.memory, ${a}, fields[${key}]); }`;
  }
};

const writeBytes = (memory: Memory, address: number, size: number, value: Uint8Array): void => {
  if (value.length > size) {
    throw new RangeError(`expected at most ${size} bytes, found ${value.length}`);
  }
  const padded = new Uint8Array(size);
  padded.set(value);
  memory.write(address, padded);
};

const generate = <F extends Fields>(
  name: string,
  fields: F,
  offset: Record<string, number>,
): (new (
  memory: Memory,
  address: number,
) => ViewOf<F>) => {
  const className = /^[A-Za-z_$][\w$]*$/.test(name) ? name : 'view';
  const members = Object.entries(fields).map(([key, field]) =>
    accessor(key, field, offset[key] ?? 0),
  );
  return new Function(
    'fields',
    'ldU64',
    'ldI64',
    'st64',
    'writeBytes',
    'arrayView',
    `return class ${className} {
      constructor(memory, address) { this.memory = memory; this.address = address; }
      ${members.join('\n')}
    };`,
  )(fields, ldU64, ldI64, st64, writeBytes, arrayView);
};

const place = <F extends Fields>(
  name: string,
  fields: F,
  overlay: boolean,
  packed: boolean,
): Struct<F> => {
  const offset: Record<string, number> = {};
  let end = 0;
  let size = 0;
  let align = 1;
  for (const [key, field] of Object.entries(fields)) {
    if (key === 'memory' || key === 'address')
      throw new Error(`${name}.${key} is taken by the view`);
    const fieldAlign = packed ? 1 : field.align;
    const at = overlay ? 0 : Math.ceil(end / fieldAlign) * fieldAlign;
    offset[key] = at;
    end = at + field.size;
    size = Math.max(size, end);
    align = Math.max(align, fieldAlign);
  }
  const View = generate(name, fields, offset);
  return {
    name,
    size: Math.ceil(size / align) * align,
    align,
    fields,
    offset: offset as Struct<F>['offset'],
    at: (memory, address) => new View(memory, address),
  };
};

/** Lays fields out one after the other, with C's alignment. */
export const struct = <F extends Fields>(name: string, fields: F): Struct<F> =>
  place(name, fields, false, false);

/** Lays fields out one after the other without padding (`__attribute__((packed))`). */
export const packed = <F extends Fields>(name: string, fields: F): Struct<F> =>
  place(name, fields, false, true);

/** Lays every field at offset 0. */
export const union = <F extends Fields>(name: string, fields: F): Struct<F> =>
  place(name, fields, true, false);
