import { vcpu_guest_context } from '@port-xen/abi';
import type { Hypervisor } from '@port-xen/hypervisor';
import { BytesMemory } from '@port-xen/layout';
import type { ControlPath } from './control-path.ts';

/**
 * Has a domain that suspended go on where it is (xc_domain_resume, fast): its suspend hypercall returns 1, by which the
 * guest knows that nothing has changed.
 *
 * To be called only for a domain that has suspended: any other's registers would be spoilt.
 */
export const resumeDomain = (
  hv: Hypervisor,
  path: Pick<ControlPath, 'resumed'>,
  domid: number,
): void => {
  const context = hv.domctl.getVcpuContext(domid, 0);
  vcpu_guest_context.at(new BytesMemory(context), 0).user_regs.rax = 1;
  hv.domctl.setVcpuContext(domid, 0, context);
  hv.domctl.resumeDomain(domid);
  path.resumed(domid);
  hv.sim.tell(
    'toolstack',
    `domain ${domid}: resumed where it was, its suspend hypercall returns 1`,
  );
};
