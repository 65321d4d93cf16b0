/*
 * A struct in memory as a flat list of its fields, each by its path, `lwps[3].l_stat`. Fields that are zero are left out:
 * tables in a kernel are mostly empty.
 */
import { createHash } from 'node:crypto';
import type { Field, Memory, Struct } from '@port-xen/layout';

/** One field that is not zero. */
export interface Leaf {
  readonly path: string;
  readonly address: number;
  /** A word: unsigned, 64 bits at most. */
  readonly word?: bigint;
  /** Its width in bytes. */
  readonly size?: number;
  /** Bytes that are text. */
  readonly text?: string;
  /** Bytes that are not: how many, and the start of their SHA-256. */
  readonly bytes?: { readonly count: number; readonly digest: string };
}

const DIGEST = 12;
const PRINTABLE = /^[\t\n\r -~]+$/;

const wordAt = (memory: Memory, address: number, size: number): bigint => {
  let word = 0n;
  for (let i = size - 1; i >= 0; i--) word = (word << 8n) | BigInt(memory.ld8(address + i));
  return word;
};

function* bytesLeaf(memory: Memory, address: number, size: number, path: string): Generator<Leaf> {
  const bytes = new Uint8Array(size);
  memory.read(address, bytes);
  let end = size;
  while (end > 0 && bytes[end - 1] === 0) end--;
  if (end === 0) return;
  const text = Buffer.from(bytes.subarray(0, end)).toString('latin1');
  if (PRINTABLE.test(text)) yield { path, address, text };
  else {
    const digest = createHash('sha256').update(bytes).digest('hex').slice(0, DIGEST);
    yield { path, address, bytes: { count: size, digest } };
  }
}

function* fieldLeaves(
  field: Field,
  memory: Memory,
  address: number,
  path: string,
): Generator<Leaf> {
  switch (field.kind) {
    case 'scalar': {
      const word = wordAt(memory, address, field.size);
      if (word !== 0n) yield { path, address, word, size: field.size };
      return;
    }
    case 'bytes':
      yield* bytesLeaf(memory, address, field.size, path);
      return;
    case 'nested':
      yield* structLeaves(field.struct, memory, address, `${path}.`);
      return;
    case 'array': {
      const { element, count } = field;
      for (let i = 0; i < count; i++) {
        const at = address + i * element.size;
        if ('fields' in element) yield* structLeaves(element, memory, at, `${path}[${i}].`);
        else yield* fieldLeaves(element, memory, at, `${path}[${i}]`);
      }
    }
  }
}

/** The fields of a struct at an address that are not zero. @param prefix before each path */
export function* structLeaves(
  struct: Struct,
  memory: Memory,
  address: number,
  prefix = '',
): Generator<Leaf> {
  for (const [name, field] of Object.entries<Field>(struct.fields)) {
    yield* fieldLeaves(
      field,
      memory,
      address + (struct.offset[name] as number),
      `${prefix}${name}`,
    );
  }
}

/** The path of the field at an offset within a struct; undefined for padding. */
export const pathAt = (struct: Struct, offset: number): string | undefined => {
  for (const [name, field] of Object.entries<Field>(struct.fields)) {
    const within = offset - (struct.offset[name] as number);
    if (within < 0 || within >= field.size) continue;
    return `${name}${within === 0 && field.kind !== 'array' ? '' : insideOf(field, within)}`;
  }
  return undefined;
};

const insideOf = (field: Field, within: number): string => {
  if (field.kind === 'nested') {
    const path = pathAt(field.struct, within);
    return path === undefined ? `+${within}` : `.${path}`;
  }
  if (field.kind !== 'array') return `+${within}`;
  const { element } = field;
  const number = Math.floor(within / element.size);
  const rest = within - number * element.size;
  if (rest === 0) return `[${number}]`;
  const path = 'fields' in element ? pathAt(element, rest) : undefined;
  return path === undefined ? `[${number}]+${rest}` : `[${number}].${path}`;
};
