/*
 * Records by their names in Xen's headers and specifications, without the prefix, for people to read.
 * Bit 31 of a libxc record's type makes it optional: a reader that does not know it goes on.
 */
import {
  LIBXL_REC_CHECKPOINT_END,
  LIBXL_REC_CHECKPOINT_STATE,
  LIBXL_REC_EMULATOR_CONTEXT,
  LIBXL_REC_EMULATOR_XENSTORE_DATA,
  LIBXL_REC_END,
  LIBXL_REC_LIBXC_CONTEXT,
  XC_REC_TYPE_CHECKPOINT,
  XC_REC_TYPE_CHECKPOINT_DIRTY_PFN_LIST,
  XC_REC_TYPE_END,
  XC_REC_TYPE_HVM_CONTEXT,
  XC_REC_TYPE_HVM_PARAMS,
  XC_REC_TYPE_PAGE_DATA,
  XC_REC_TYPE_SHARED_INFO,
  XC_REC_TYPE_STATIC_DATA_END,
  XC_REC_TYPE_TOOLSTACK,
  XC_REC_TYPE_VERIFY,
  XC_REC_TYPE_X86_CPUID_POLICY,
  XC_REC_TYPE_X86_MSR_POLICY,
  XC_REC_TYPE_X86_PV_INFO,
  XC_REC_TYPE_X86_PV_P2M_FRAMES,
  XC_REC_TYPE_X86_PV_VCPU_BASIC,
  XC_REC_TYPE_X86_PV_VCPU_EXTENDED,
  XC_REC_TYPE_X86_PV_VCPU_MSRS,
  XC_REC_TYPE_X86_PV_VCPU_XSAVE,
  XC_REC_TYPE_X86_TSC_INFO,
} from '@port-xen/abi';

/** The name of a libxc record, `PAGE_DATA`; a number for one without a name. */
export const libxcRecordName = (type: number): string => {
  switch (type) {
    case XC_REC_TYPE_END:
      return 'END';
    case XC_REC_TYPE_PAGE_DATA:
      return 'PAGE_DATA';
    case XC_REC_TYPE_X86_PV_INFO:
      return 'X86_PV_INFO';
    case XC_REC_TYPE_X86_PV_P2M_FRAMES:
      return 'X86_PV_P2M_FRAMES';
    case XC_REC_TYPE_X86_PV_VCPU_BASIC:
      return 'X86_PV_VCPU_BASIC';
    case XC_REC_TYPE_X86_PV_VCPU_EXTENDED:
      return 'X86_PV_VCPU_EXTENDED';
    case XC_REC_TYPE_X86_PV_VCPU_XSAVE:
      return 'X86_PV_VCPU_XSAVE';
    case XC_REC_TYPE_SHARED_INFO:
      return 'SHARED_INFO';
    case XC_REC_TYPE_X86_TSC_INFO:
      return 'X86_TSC_INFO';
    case XC_REC_TYPE_HVM_CONTEXT:
      return 'HVM_CONTEXT';
    case XC_REC_TYPE_HVM_PARAMS:
      return 'HVM_PARAMS';
    case XC_REC_TYPE_TOOLSTACK:
      return 'TOOLSTACK';
    case XC_REC_TYPE_X86_PV_VCPU_MSRS:
      return 'X86_PV_VCPU_MSRS';
    case XC_REC_TYPE_VERIFY:
      return 'VERIFY';
    case XC_REC_TYPE_CHECKPOINT:
      return 'CHECKPOINT';
    case XC_REC_TYPE_CHECKPOINT_DIRTY_PFN_LIST:
      return 'CHECKPOINT_DIRTY_PFN_LIST';
    case XC_REC_TYPE_STATIC_DATA_END:
      return 'STATIC_DATA_END';
    case XC_REC_TYPE_X86_CPUID_POLICY:
      return 'X86_CPUID_POLICY';
    case XC_REC_TYPE_X86_MSR_POLICY:
      return 'X86_MSR_POLICY';
    default:
      return `0x${type.toString(16).padStart(8, '0')}`;
  }
};

/** The name of a libxl record, `LIBXC_CONTEXT`; a number for one without a name. */
export const libxlRecordName = (type: number): string => {
  switch (type) {
    case LIBXL_REC_END:
      return 'END';
    case LIBXL_REC_LIBXC_CONTEXT:
      return 'LIBXC_CONTEXT';
    case LIBXL_REC_EMULATOR_XENSTORE_DATA:
      return 'EMULATOR_XENSTORE_DATA';
    case LIBXL_REC_EMULATOR_CONTEXT:
      return 'EMULATOR_CONTEXT';
    case LIBXL_REC_CHECKPOINT_END:
      return 'CHECKPOINT_END';
    case LIBXL_REC_CHECKPOINT_STATE:
      return 'CHECKPOINT_STATE';
    default:
      return `0x${type.toString(16).padStart(8, '0')}`;
  }
};
