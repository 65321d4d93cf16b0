/*
 * What of a vCPU is in no context: the callbacks of 32-bit user code (XEN_DOMCTL_get_ext_vcpucontext) and the XSAVE area
 * (XEN_DOMCTL_getvcpuextstate), as the ABI's bytes (xen/arch/x86/domctl.c).
 *
 *     XSAVE state   xcr0 u64 | xcr0_accum u64 | legacy image 512 | header 64: xstate_bv, xcomp_bv
 */
import { XEN_EINVAL, XEN_EOPNOTSUPP, xen_domctl_ext_vcpucontext } from '@port-xen/abi';
import { BytesMemory, ldI64, ldU64, st64, stPair } from '@port-xen/layout';
import type { GuestVcpu } from './guest-vcpu.ts';
import { XenError } from './xen-error.ts';

/** What Xen has always had of the struct. */
const EXT_CONTEXT_MIN = 32;
const XSAVE_HEADER = 16;
const XSAVE_AREA = 576;
/** x87 and SSE. */
const XCR0 = 3;
const { offset } = xen_domctl_ext_vcpucontext;

/** XEN_DOMCTL_get_ext_vcpucontext. */
export const readExtContext = (vcpu: GuestVcpu): Uint8Array => {
  const bytes = new Uint8Array(xen_domctl_ext_vcpucontext.size);
  const memory = new BytesMemory(bytes);
  const ext = xen_domctl_ext_vcpucontext.at(memory, 0);
  ext.vcpu = vcpu.id;
  ext.size = xen_domctl_ext_vcpucontext.size;
  st64(memory, offset.syscall32_callback_eip, vcpu.syscall32Callback);
  st64(memory, offset.sysenter_callback_eip, vcpu.sysenterCallback);
  ext.syscall32_disables_events = vcpu.syscall32Masks ? 1 : 0;
  ext.sysenter_disables_events = vcpu.sysenterMasks ? 1 : 0;
  return bytes;
};

/** XEN_DOMCTL_set_ext_vcpucontext. @throws XenError */
export const applyExtContext = (vcpu: GuestVcpu, context: Uint8Array): void => {
  if (context.length < EXT_CONTEXT_MIN) {
    throw new XenError(XEN_EINVAL, 'expected an extended context of 32 bytes or more');
  }
  const memory = new BytesMemory(context);
  const { size } = xen_domctl_ext_vcpucontext.at(memory, 0);
  if (size < EXT_CONTEXT_MIN) {
    throw new XenError(
      XEN_EINVAL,
      `expected an extended context to say 32 bytes or more, found ${size}`,
    );
  }
  vcpu.syscall32Callback = ldI64(memory, offset.syscall32_callback_eip);
  vcpu.sysenterCallback = ldI64(memory, offset.sysenter_callback_eip);
  vcpu.syscall32Masks = memory.ld8(offset.syscall32_disables_events) !== 0;
  vcpu.sysenterMasks = memory.ld8(offset.sysenter_disables_events) !== 0;
};

/** XEN_DOMCTL_getvcpuextstate. */
export const readXsave = (vcpu: GuestVcpu): Uint8Array => {
  const bytes = new Uint8Array(XSAVE_HEADER + XSAVE_AREA);
  const memory = new BytesMemory(bytes);
  stPair(memory, 0, XCR0, 0);
  stPair(memory, 8, vcpu.xcr0Accum, 0);
  bytes.set(vcpu.xsave, XSAVE_HEADER);
  stPair(memory, XSAVE_HEADER + 512, XCR0, 0);
  return bytes;
};

/** XEN_DOMCTL_setvcpuextstate. The header alone is nothing to set. @throws XenError */
export const applyXsave = (vcpu: GuestVcpu, state: Uint8Array): void => {
  if (state.length === XSAVE_HEADER) return;
  if (state.length !== XSAVE_HEADER + XSAVE_AREA) {
    throw new XenError(
      XEN_EINVAL,
      `expected ${XSAVE_HEADER + XSAVE_AREA} bytes of XSAVE state, found ${state.length}`,
    );
  }
  const memory = new BytesMemory(state);
  const accum = ldU64(memory, 8);
  if (accum !== 1 && accum !== XCR0) {
    throw new XenError(
      XEN_EINVAL,
      `xcr0_accum 0x${accum.toString(16)} has features that this host lacks`,
    );
  }
  if ((memory.ld32(XSAVE_HEADER + 524) & 0x8000_0000) !== 0) {
    throw new XenError(XEN_EOPNOTSUPP, 'expected uncompressed XSAVE state');
  }
  vcpu.xcr0Accum = accum;
  vcpu.xsave.set(state.subarray(XSAVE_HEADER));
};
