/*
 * HYPERVISOR_physdev_op for a domain without devices (xen/arch/x86/physdev.c): its virtual I/O privilege, which needs no rights,
 * and the refusal of everything about interrupts and PCI.
 */
import {
  PHYSDEVOP_eoi,
  PHYSDEVOP_irq_status_query,
  PHYSDEVOP_release_msix,
  PHYSDEVOP_set_iobitmap,
  PHYSDEVOP_set_iopl,
  physdev_irq_status_query,
  physdev_set_iobitmap,
  physdev_set_iopl,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
  XEN_EPERM,
} from '@port-xen/abi';
import { isGuestAddress } from './guest-copy.ts';
import type { GuestVcpu } from './guest-vcpu.ts';
import { fetchStruct } from './guest-words.ts';

const IOPL_MAX = 3;
const PORTS = 65536;

/** HYPERVISOR_physdev_op(cmd, arg). */
export const physdevOp = (vcpu: GuestVcpu, cmd: number, arg: number): number => {
  switch (cmd) {
    case PHYSDEVOP_set_iopl: {
      const op = fetchStruct(vcpu, physdev_set_iopl, arg);
      if (op === null) return -XEN_EFAULT;
      if (op.iopl > IOPL_MAX) return -XEN_EINVAL;
      vcpu.iopl = op.iopl;
      return 0;
    }
    case PHYSDEVOP_set_iobitmap: {
      // Which ports the guest may use of those that the domain may use: it may use none.
      const op = fetchStruct(vcpu, physdev_set_iobitmap, arg);
      if (op === null) return -XEN_EFAULT;
      return op.nr_ports > PORTS || !isGuestAddress(op.bitmap) ? -XEN_EINVAL : 0;
    }
    case PHYSDEVOP_eoi:
    case PHYSDEVOP_irq_status_query:
      // No interrupt is the domain's. Both structs begin with its number.
      return fetchStruct(vcpu, physdev_irq_status_query, arg) === null ? -XEN_EFAULT : -XEN_EINVAL;
    default: {
      const known = cmd > PHYSDEVOP_set_iobitmap && cmd <= PHYSDEVOP_release_msix;
      return known ? -XEN_EPERM : -XEN_ENOSYS;
    }
  }
};
