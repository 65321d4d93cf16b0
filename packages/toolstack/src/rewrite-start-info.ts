import { start_info, vcpu_guest_context } from '@port-xen/abi';
import type { Hypervisor } from '@port-xen/hypervisor';
import { BytesMemory, ldI64, type Memory, st64 } from '@port-xen/layout';
import { GuestFrames } from './guest-frames.ts';
import type { RingMfns } from './guest-interface.ts';
import { hex } from './hex.ts';
import { ToolstackError } from './toolstack-error.ts';

/**
 * Turns the pfns that a suspended guest left in store_mfn and console.domU.mfn back into MFNs (xc_domain_resume_any).
 * start_info's own frame is in rdx: the guest named it in its suspend hypercall.
 *
 * @param mfnOf the domain's P2M
 * @throws ToolstackError or XenError if there is no such page; nothing is written then
 */
export const rewriteStartInfo = (hv: Hypervisor, domid: number, mfnOf: Int32Array): RingMfns => {
  const frames = new GuestFrames(hv, domid);
  const context = new BytesMemory(hv.domctl.getVcpuContext(domid, 0));
  const { rdx } = vcpu_guest_context.at(context, 0).user_regs;
  const frameOf = (memory: Memory, offset: number, name: string): number => {
    const pfn = ldI64(memory, offset);
    const mfn = mfnOf[pfn] ?? -1;
    if (mfn >= 0) return mfn;
    throw new ToolstackError(`expected the pfn of a page in start_info.${name}, found ${hex(pfn)}`);
  };
  return frames.with(rdx, (_, memory) => {
    const { store_mfn, console } = start_info.offset;
    const storeMfn = frameOf(memory, store_mfn, 'store_mfn');
    const consoleMfn = frameOf(memory, console, 'console.domU.mfn');
    st64(memory, store_mfn, storeMfn);
    st64(memory, console, consoleMfn);
    return { storeMfn, consoleMfn };
  });
};
