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
import type { Field, ScalarCode, ValueOf } from './kind.ts';
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

/** The element at an index, checked: a wrong index is a bug of ours, never of the memory's contents. */
const arrayView = (memory: Memory, address: number, field: Field & { kind: 'array' }): object => {
  const { element, count } = field;
  const at = (index: number): number => {
    if (!Number.isInteger(index) || index < 0 || index >= count) {
      throw new RangeError(`expected an index within [0, ${count}), found ${index}`);
    }
    return address + index * element.size;
  };
  if (element.kind !== 'scalar') {
    return {
      length: count,
      address: at,
      at: (index: number) => element.at(memory, at(index)),
    };
  }
  const { get, set } = scalarAccess(element.code);
  return {
    length: count,
    address: at,
    get: (index: number) => get(memory, at(index)),
    set: (index: number, value: number) => set(memory, at(index), value),
  };
};

interface ScalarAccess {
  get(m: Memory, a: number): number;
  set(m: Memory, a: number, v: number): void;
}

const scalarAccess = (code: ScalarCode): ScalarAccess =>
  new Function(
    'ldU64',
    'ldI64',
    'st64',
    `return { get: (m, a) => ${LOAD[code]('a')}, set: (m, a, v) => { ${STORE[code]('a')}; } };`,
  )(ldU64, ldI64, st64);

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
