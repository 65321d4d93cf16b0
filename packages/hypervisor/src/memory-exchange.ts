/*
 * XENMEM_exchange: frames that nothing maps for as many others, in larger or smaller extents. Chunk by chunk of the larger
 * extent: all input frames of a chunk are taken, the output is allocated, the input freed, the output given and entered in the M2P.
 */
import {
  __HYPERVISOR_memory_op,
  DOMID_SELF,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOMEM,
  XEN_EPERM,
  XEN_ESRCH,
  XENMEM_exchange,
  xen_memory_exchange,
} from '@port-xen/abi';
import { exchangeFrame, freeStolenFrame, stealFrame } from './domain-frames.ts';
import { anyDomain, mayActFor } from './foreign-domain.ts';
import { EXTENT_ORDER } from './frame-allocator.ts';
import { fetchStruct, fetchU64, returnU64 } from './guest-words.ts';
import type { MemoryDomain, MemoryVcpu } from './memory-domain.ts';

/** A list of extents in guest memory. */
interface Extents {
  readonly list: number;
  readonly order: number;
}

/** @returns 0 or -errno; nr_exchanged says how many input extents were exchanged, and where a continuation goes on */
export const memoryExchange = (vcpu: MemoryVcpu, arg: number): number => {
  const exchange = fetchStruct(vcpu, xen_memory_exchange, arg);
  if (exchange === null) return -XEN_EFAULT;
  const { nr_exchanged } = exchange;
  const [into, out] = [exchange.in, exchange.out];
  if (into.extent_order > EXTENT_ORDER || out.extent_order > EXTENT_ORDER) return -XEN_EPERM;
  const frames = into.nr_extents * 2 ** into.extent_order;
  const sensible =
    nr_exchanged <= into.nr_extents &&
    into.domid === out.domid &&
    frames < 2 ** 32 &&
    frames === out.nr_extents * 2 ** out.extent_order;
  if (!sensible) return -XEN_EINVAL;
  const domain = anyDomain(vcpu.domain, into.domid);
  if (domain === undefined) return -XEN_ESRCH;
  if (into.domid !== DOMID_SELF && !mayActFor(vcpu.domain, domain.domid)) return -XEN_EPERM;
  const from = { list: into.extent_start, order: into.extent_order };
  const to = { list: out.extent_start, order: out.extent_order };
  const perChunk = 2 ** Math.max(0, to.order - from.order);
  const field = arg + xen_memory_exchange.offset.nr_exchanged;
  let done = nr_exchanged;
  let result = done % perChunk === 0 ? 0 : -XEN_EINVAL;
  for (; result === 0 && done < into.nr_extents; done += perChunk) {
    if (done > nr_exchanged && vcpu.preemptCheck()) {
      if (!returnU64(vcpu, field, done)) return -XEN_EFAULT;
      return vcpu.hypercallContinuation(__HYPERVISOR_memory_op, XENMEM_exchange, arg);
    }
    result = exchangeChunk(vcpu, domain, from, to, done * 2 ** from.order);
    if (result !== 0) break;
  }
  return returnU64(vcpu, field, done) ? result : -XEN_EFAULT;
};

/** @param first frames exchanged before this chunk */
const exchangeChunk = (
  vcpu: MemoryVcpu,
  domain: MemoryDomain,
  from: Extents,
  to: Extents,
  first: number,
): number => {
  const { host } = domain;
  const order = Math.max(from.order, to.order);
  const taken: number[] = [];
  const giveBack = (result: number): number => {
    for (const mfn of taken) exchangeFrame(host, domain, mfn);
    return result;
  };
  for (let k = 0; k < 2 ** (order - from.order); k++) {
    const mfn = fetchU64(vcpu, from.list + (first / 2 ** from.order + k) * 8);
    if (mfn === undefined) return giveBack(-XEN_EFAULT);
    for (let i = 0; i < 2 ** from.order; i++) {
      if (!stealFrame(host, domain, mfn + i)) return giveBack(-XEN_EINVAL);
      taken.push(mfn + i);
    }
  }
  const fresh: number[] = [];
  for (let k = 0; k < 2 ** (order - to.order); k++) {
    const mfn = host.allocator.allocate(to.order);
    if (mfn >= 0) {
      fresh.push(mfn);
      continue;
    }
    for (const extent of fresh) {
      for (let i = 0; i < 2 ** to.order; i++) freeStolenFrame(host, extent + i);
    }
    return giveBack(-XEN_ENOMEM);
  }
  for (const mfn of taken) freeStolenFrame(host, mfn);
  return hand(vcpu, domain, to, first, fresh);
};

/** Gives the domain the new extents and tells it. A list that cannot be read or written loses nobody a frame. */
const hand = (
  vcpu: MemoryVcpu,
  domain: MemoryDomain,
  to: Extents,
  first: number,
  fresh: readonly number[],
): number => {
  const { host } = domain;
  let result = 0;
  for (const [k, mfn] of fresh.entries()) {
    const at = to.list + (first / 2 ** to.order + k) * 8;
    const pfn = fetchU64(vcpu, at);
    for (let i = 0; i < 2 ** to.order; i++) {
      exchangeFrame(host, domain, mfn + i);
      if (pfn !== undefined && pfn + i < 2 ** 31) host.m2p.set(mfn + i, pfn + i);
    }
    if (!returnU64(vcpu, at, mfn)) result = -XEN_EFAULT;
  }
  return result;
};
