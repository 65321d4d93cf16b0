/*
 * Whom a hypercall's domid names, and whether the caller may act for it.
 */
import { DOMID_IO, DOMID_SELF, DOMID_XEN } from '@port-xen/abi';
import type { MemoryDomain } from './memory-domain.ts';

/**
 * The owner of the frames that an MMU hypercall is about (get_pg_owner).
 * @returns its domid, DOMID_IO and DOMID_XEN included; -1 for -ESRCH: nobody, or the caller by number instead of DOMID_SELF
 */
export const pageOwner = (caller: MemoryDomain, domid: number): number => {
  if (domid === DOMID_SELF) return caller.domid;
  if (domid === caller.domid) return -1;
  if (domid === DOMID_IO || domid === DOMID_XEN) return domid;
  return caller.host.domains.has(domid) ? domid : -1;
};

/** The domain of a memory_op's domid, which may be the caller's own number (rcu_lock_domain_by_any_id). */
export const anyDomain = (caller: MemoryDomain, domid: number): MemoryDomain | undefined =>
  domid === DOMID_SELF ? caller : caller.host.domains.get(domid);

/** Whether the caller may act for a domain (XSM_TARGET of the default policy). */
export const mayActFor = (caller: MemoryDomain, domid: number): boolean =>
  domid === caller.domid || caller.privileged;
