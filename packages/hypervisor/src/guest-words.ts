/*
 * Arrays and structs of a hypercall's arguments, fetched and returned a piece at a time.
 *
 * A struct is fetched into the vCPU's own `argument`, of which there is one: it stays there until the next struct is fetched.
 */
import { BytesMemory, type Memory, type Struct, type View } from '@port-xen/layout';
import { copyFromGuest, copyToGuest } from './guest-copy.ts';
import type { MemoryVcpu } from './memory-domain.ts';

const U32 = 4;
const U64 = 8;
const TWO_32 = 2 ** 32;

/** Where a struct of that size goes. */
const placeFor = ({ argument }: MemoryVcpu, size: number): BytesMemory =>
  size <= argument.bytes.length ? argument : new BytesMemory(new Uint8Array(size));

/** A struct copied in from guest memory, or null for -EFAULT. */
export const fetchStruct = <S extends Struct>(
  vcpu: MemoryVcpu,
  S: S,
  va: number,
): View<S> | null => {
  const place = placeFor(vcpu, S.size);
  return copyFromGuest(vcpu, va, place.bytes, S.size) ? (S.at(place, 0) as View<S>) : null;
};

/** Copies a struct that {@link fetchStruct} gave back. @returns false for -EFAULT */
export const returnStruct = (
  vcpu: MemoryVcpu,
  S: Struct,
  va: number,
  view: { readonly memory: Memory },
): boolean => copyToGuest(vcpu, va, (view.memory as BytesMemory).bytes, S.size);

/** Reads a u32; undefined for -EFAULT. */
export const fetchU32 = (vcpu: MemoryVcpu, va: number): number | undefined => {
  const { word } = vcpu;
  return copyFromGuest(vcpu, va, word.bytes, U32) ? word.ld32(0) >>> 0 : undefined;
};

/** Stores a u32. @returns false for -EFAULT */
export const returnU32 = (vcpu: MemoryVcpu, va: number, value: number): boolean => {
  const { word } = vcpu;
  word.st32(0, value);
  return copyToGuest(vcpu, va, word.bytes, U32);
};

/** Reads a u64, exact below 2^53; undefined for -EFAULT. */
export const fetchU64 = (vcpu: MemoryVcpu, va: number): number | undefined => {
  const { word } = vcpu;
  if (!copyFromGuest(vcpu, va, word.bytes, U64)) return undefined;
  return (word.ld32(4) >>> 0) * TWO_32 + (word.ld32(0) >>> 0);
};

/** Reads an address: a signed u64, exact while canonical; undefined for -EFAULT. */
export const fetchI64 = (vcpu: MemoryVcpu, va: number): number | undefined => {
  const { word } = vcpu;
  if (!copyFromGuest(vcpu, va, word.bytes, U64)) return undefined;
  return word.ld32(4) * TWO_32 + (word.ld32(0) >>> 0);
};

/** Stores a u64 below 2^53. @returns false for -EFAULT */
export const returnU64 = (vcpu: MemoryVcpu, va: number, value: number): boolean => {
  const { word } = vcpu;
  word.st32(0, value % TWO_32);
  word.st32(4, Math.floor(value / TWO_32));
  return copyToGuest(vcpu, va, word.bytes, U64);
};
