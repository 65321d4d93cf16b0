export { hex64, isCanonical, isCanonicalAddress } from './canonical.ts';
export type { Engine, Tsc, Vcpu, VirtualMemory } from './engine.ts';
export { PageFault, PFEC_FETCH, PFEC_PRESENT, PFEC_USER, PFEC_WRITE } from './page-fault.ts';
export {
  R8,
  R9,
  R10,
  R11,
  R12,
  R13,
  R14,
  R15,
  RAX,
  RBP,
  RBX,
  RCX,
  RDI,
  RDX,
  Registers,
  RFLAGS,
  RIP,
  RSI,
  RSP,
} from './registers.ts';
