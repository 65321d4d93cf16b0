/*
 * HYPERVISOR_multicall(entries, count): hypercalls one after the other (xen/common/multicall.c).
 *
 *     entry   op u64 @0 | result u64 @8 | args u64[6] @16
 *
 * The result of each is stored in its entry; a failure does not stop the batch. One within another is -EINVAL. iret ends the
 * batch; rax is what its frame says. An entry that would be continued is rewritten to what is left of it, and the multicall is
 * continued from there.
 */
import {
  __HYPERVISOR_iret,
  __HYPERVISOR_multicall,
  multicall_entry,
  XEN_EFAULT,
  XEN_EINVAL,
} from '@port-xen/abi';
import { BytesMemory, st64 } from '@port-xen/layout';
import { RAX } from '@port-xen/vcpu';
import { copyFromGuest, copyToGuest, isGuestAddress } from './guest-copy.ts';
import type { GuestVcpu } from './guest-vcpu.ts';
import { dispatch } from './hypercall-table.ts';
import { iret } from './iret.ts';

const SIZE = multicall_entry.size;
const o = multicall_entry.offset;

/** @param count unsigned @returns 0, -EFAULT, or what a continuation gives; after an iret, its rax */
export const multicall = (vcpu: GuestVcpu, entries: number, count: number): number => {
  if (!isGuestAddress(entries)) return -XEN_EFAULT;
  const entry = new BytesMemory(new Uint8Array(SIZE));
  for (let i = 0; i < count; i++) {
    const at = entries + i * SIZE;
    if (i > 0 && vcpu.preemptCheck()) return goOn(vcpu, at, count - i);
    if (!copyFromGuest(vcpu, at, entry.bytes)) return -XEN_EFAULT;
    const number = entry.ld32(o.op + 4) === 0 ? entry.ld32(o.op) >>> 0 : Number.POSITIVE_INFINITY;
    if (number === __HYPERVISOR_iret) {
      iret(vcpu);
      giveResult(vcpu, at, entry, vcpu.registers.get(RAX));
      return vcpu.registers.get(RAX);
    }
    if (!giveResult(vcpu, at, entry, call(vcpu, number, entry))) return -XEN_EFAULT;
    const { continuation } = vcpu;
    if (continuation === undefined) continue;
    vcpu.continuation = undefined;
    st64(entry, o.op, continuation.nr);
    continuation.args.forEach((arg, k) => {
      st64(entry, o.args + 8 * k, arg);
    });
    return copyToGuest(vcpu, at, entry.bytes) ? goOn(vcpu, at, count - i) : -XEN_EFAULT;
  }
  return 0;
};

/** Makes the hypercall of an entry. */
const call = (vcpu: GuestVcpu, number: number, entry: BytesMemory): number => {
  if (number === __HYPERVISOR_multicall) return -XEN_EINVAL;
  vcpu.entryArgs.fromMemory(entry, o.args);
  vcpu.inMulticall = true;
  const result = dispatch(vcpu, number, vcpu.entryArgs);
  vcpu.inMulticall = false;
  return result;
};

/** Stores the result of an entry, and nothing else of it. @returns false for -EFAULT */
const giveResult = (vcpu: GuestVcpu, at: number, entry: BytesMemory, result: number): boolean => {
  st64(entry, o.result, result);
  return copyToGuest(vcpu, at + o.result, entry.bytes.subarray(o.result, o.result + 8));
};

const goOn = (vcpu: GuestVcpu, entries: number, count: number): number =>
  vcpu.hypercallContinuation(__HYPERVISOR_multicall, entries, count);
