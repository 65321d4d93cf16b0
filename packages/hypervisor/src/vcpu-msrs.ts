/*
 * Model-specific registers that are part of a vCPU's state (XEN_DOMCTL_{get,set}_vcpu_msrs, arch/x86/domctl.c): those that a guest may have
 * written. No vCPU here executes WRMSR, so they are what a restore brought, kept for the next save.
 */
import { XEN_EINVAL, xen_domctl_vcpu_msr } from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import { XenError } from './xen-error.ts';

/** Which bits of each may be set, in the order in which they are told. */
const MSRS: ReadonlyMap<number, bigint> = new Map([
  // SPEC_CTRL: IBRS, STIBP, SSBD
  [0x48, 0x7n],
  // MISC_FEATURES_ENABLES: faulting of CPUID
  [0x140, 0x1n],
  // TSC_AUX
  [0xc000_0103, 0xffff_ffffn],
  // AMD's address masks of DR0 to DR3
  [0xc001_1027, 0xffff_ffffn],
  [0xc001_1019, 0xffff_ffffn],
  [0xc001_101a, 0xffff_ffffn],
  [0xc001_101b, 0xffff_ffffn],
]);

const SIZE = xen_domctl_vcpu_msr.size;
const { value: VALUE } = xen_domctl_vcpu_msr.offset;

/** A vCPU's, each zero at first. */
export class VcpuMsrs {
  readonly #values = new Map<number, bigint>();

  /** Those that are not zero, 16 bytes each. */
  read(): Uint8Array {
    const set = [...MSRS.keys()].filter((index) => (this.#values.get(index) ?? 0n) !== 0n);
    const bytes = new Uint8Array(set.length * SIZE);
    set.forEach((index, i) => {
      xen_domctl_vcpu_msr.at(new BytesMemory(bytes), i * SIZE).index = index;
      new DataView(bytes.buffer).setBigUint64(
        i * SIZE + VALUE,
        this.#values.get(index) ?? 0n,
        true,
      );
    });
    return bytes;
  }

  /** @throws XenError EINVAL for one that is no such register, or a value that it does not take; those before it are set */
  apply(bytes: Uint8Array): void {
    if (bytes.length % SIZE !== 0) throw new XenError(XEN_EINVAL, 'expected whole MSR entries');
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length; at += SIZE) {
      const { index, reserved } = xen_domctl_vcpu_msr.at(new BytesMemory(bytes), at);
      const value = view.getBigUint64(at + VALUE, true);
      const allowed = MSRS.get(index >>> 0);
      if (allowed === undefined || reserved !== 0 || (value & ~allowed) !== 0n) {
        const found = `MSR 0x${(index >>> 0).toString(16)} with 0x${value.toString(16)}`;
        throw new XenError(
          XEN_EINVAL,
          `expected an MSR of a vCPU's with a value that it takes, found ${found}`,
        );
      }
      this.#values.set(index >>> 0, value);
    }
  }
}
