/*
 * Arrays and structs of a hypercall's arguments, fetched and returned a piece at a time.
 */
import { BytesMemory, type Memory, type Struct, type View } from '@port-xen/layout';
import { copyFromGuest, copyToGuest } from './guest-copy.ts';
import type { MemoryVcpu } from './memory-domain.ts';

/** A struct copied in from guest memory, or null for -EFAULT. */
export const fetchStruct = <S extends Struct>(
  vcpu: MemoryVcpu,
  S: S,
  va: number,
): View<S> | null => {
  const bytes = new Uint8Array(S.size);
  return copyFromGuest(vcpu, va, bytes) ? (S.at(new BytesMemory(bytes), 0) as View<S>) : null;
};

/** Copies a struct that {@link fetchStruct} gave back. @returns false for -EFAULT */
export const returnStruct = (
  vcpu: MemoryVcpu,
  S: Struct,
  va: number,
  view: { readonly memory: Memory; readonly address: number },
): boolean => {
  const bytes = new Uint8Array(S.size);
  view.memory.read(view.address, bytes);
  return copyToGuest(vcpu, va, bytes);
};

/** Reads a u32; undefined for -EFAULT. */
export const fetchU32 = (vcpu: MemoryVcpu, va: number): number | undefined => {
  const bytes = new Uint8Array(4);
  if (!copyFromGuest(vcpu, va, bytes)) return undefined;
  return new DataView(bytes.buffer).getUint32(0, true);
};

/** Stores a u32. @returns false for -EFAULT */
export const returnU32 = (vcpu: MemoryVcpu, va: number, value: number): boolean => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return copyToGuest(vcpu, va, bytes);
};

/** Reads a u64, exact below 2^53; undefined for -EFAULT. */
export const fetchU64 = (vcpu: MemoryVcpu, va: number): number | undefined => {
  const bytes = new Uint8Array(8);
  if (!copyFromGuest(vcpu, va, bytes)) return undefined;
  const view = new DataView(bytes.buffer);
  return view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true);
};

/** Reads an address: a signed u64, exact while canonical; undefined for -EFAULT. */
export const fetchI64 = (vcpu: MemoryVcpu, va: number): number | undefined => {
  const bytes = new Uint8Array(8);
  if (!copyFromGuest(vcpu, va, bytes)) return undefined;
  const view = new DataView(bytes.buffer);
  return view.getInt32(4, true) * 2 ** 32 + view.getUint32(0, true);
};

/** Stores a u64 below 2^53. @returns false for -EFAULT */
export const returnU64 = (vcpu: MemoryVcpu, va: number, value: number): boolean => {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, value % 2 ** 32, true);
  view.setUint32(4, Math.floor(value / 2 ** 32), true);
  return copyToGuest(vcpu, va, bytes);
};
