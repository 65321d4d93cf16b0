export { BytesMemory } from './bytes-memory.ts';
export {
  array,
  type Bytes,
  bytes,
  type Field,
  i8,
  i16,
  i32,
  i64,
  type Nested,
  nest,
  type Repeated,
  type Scalar,
  type ScalarArray,
  type StructArray,
  u8,
  u16,
  u32,
  u64,
  type ValueOf,
} from './kind.ts';
export { copy, ldI64, ldU64, type Memory, st64, stPair, zero } from './memory.ts';
export {
  type Fields,
  packed,
  type Struct,
  struct,
  union,
  type View,
  type ViewOf,
} from './struct.ts';
export { cString, textOf } from './text.ts';
