/*
 * SYSCALL in guest-kernel mode (pv_hypercall, xen/arch/x86/pv/hypercall.c): number in rax, arguments in rdi, rsi, rdx, r10, r8,
 * result in rax.
 */
import { __HYPERVISOR_iret, __HYPERVISOR_multicall, XEN_ENOSYS, XEN_EPERM } from '@port-xen/abi';
import { RAX } from '@port-xen/vcpu';
import type { GuestVcpu } from './guest-vcpu.ts';
import { dispatch } from './hypercall-table.ts';
import { iret } from './iret.ts';
import { multicall } from './multicall.ts';

/** What a hypercall costs, ns. */
const HYPERCALL_NS = 300;

/** Makes the hypercall that the registers describe. */
export const hypercall = (vcpu: GuestVcpu): void => {
  const { registers: r, domain, args } = vcpu;
  vcpu.spend(HYPERCALL_NS);
  // A domain that has ended makes no more hypercalls; its engine has been told to stop.
  if (!domain.runnable) {
    r.set(RAX, -XEN_EPERM);
    return;
  }
  if (r.high(RAX) !== 0) {
    r.set(RAX, -XEN_ENOSYS);
    return;
  }
  const number = r.low(RAX) >>> 0;
  args.fromRegisters(r);
  if (number === __HYPERVISOR_iret) {
    const { trace } = domain.xen.sim;
    if (trace.on) trace.emit('hypercall', domain.domid, number);
    iret(vcpu);
  } else if (number === __HYPERVISOR_multicall) {
    r.set(RAX, multicall(vcpu, args.number(0), args.unsigned(1)));
  } else r.set(RAX, dispatch(vcpu, number, args));
};
