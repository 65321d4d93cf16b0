/*
 * The shape that mmu_update and mmuext_op share: an array of requests, done one after the other until one fails or the processor is
 * wanted; how many were done is added to a count of the guest's, across continuations.
 */
import { XEN_EFAULT } from '@port-xen/abi';
import { copyFromGuest, isGuestAddress } from './guest-copy.ts';
import { fetchU32, returnU32 } from './guest-words.ts';
import type { MemoryVcpu } from './memory-domain.ts';

/** Bit of `count` that says that this is a continuation. */
const MMU_UPDATE_PREEMPTED = 0x8000_0000;

export interface Batch {
  /** Hypercall number, for the continuation. */
  readonly nr: number;
  /** Guest address of the requests. */
  readonly requests: number;
  /** Bytes of a request. */
  readonly size: number;
  readonly count: number;
  /** Guest address of the u32 that counts what was done; 0 for none. */
  readonly pdone: number;
  readonly foreigndom: number;
}

/**
 * Runs `perform` for each request until it gives something other than 0.
 * @returns 0; what `perform` gave; -EFAULT; or what the continuation gives
 */
export const runBatch = (
  vcpu: MemoryVcpu,
  batch: Batch,
  perform: (request: DataView) => number,
): number => {
  const { nr, requests, size, pdone, foreigndom } = batch;
  if (!isGuestAddress(requests)) return -XEN_EFAULT;
  const continued = (batch.count & MMU_UPDATE_PREEMPTED) !== 0;
  const count = batch.count & ~MMU_UPDATE_PREEMPTED;
  const before = continued && pdone !== 0 ? (fetchU32(vcpu, pdone) ?? 0) : 0;
  const bytes = new Uint8Array(size);
  const request = new DataView(bytes.buffer);
  let result = 0;
  let i = 0;
  for (; i < count; i++) {
    if (i > 0 && vcpu.preemptCheck()) {
      const rest = ((count - i) | MMU_UPDATE_PREEMPTED) >>> 0;
      const next = requests + i * size;
      result = vcpu.hypercallContinuation(nr, next, rest, pdone, foreigndom);
      break;
    }
    if (!copyFromGuest(vcpu, requests + i * size, bytes)) {
      result = -XEN_EFAULT;
      break;
    }
    result = perform(request);
    if (result !== 0) break;
  }
  if (pdone !== 0) returnU32(vcpu, pdone, before + i);
  return result;
};
