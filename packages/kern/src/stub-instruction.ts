/*
 * The real instructions that Xen's hypercall stubs and the system-call stub are made of:
 *
 *     50          push rax            b8 imm32    mov eax, imm32
 *     51          push rcx            0f 05       syscall
 *     59          pop rcx             c3          ret
 *     41 53       push r11            41 5b       pop r11
 *     73 rel8     jnc                 48 f7 d8    neg rax
 *
 * Anything else is #UD.
 */
import { ldI64, st64 } from '@port-xen/layout';
import { R11, RAX, RCX, RFLAGS, RIP, RSP, type Vcpu } from '@port-xen/vcpu';

/** Virtual time of a real instruction. */
export const INSTRUCTION_NS = 1;
const TRAP_invalid_op = 6;
const CARRY = 1;

/** Pushes an integer on the stack. */
export const push = (vcpu: Vcpu, value: number): void => {
  const rsp = vcpu.registers.get(RSP) - 8;
  st64(vcpu.memory, rsp, value);
  vcpu.registers.set(RSP, rsp);
};

/** Pops a return address. */
export const popRip = (vcpu: Vcpu): number => {
  const rsp = vcpu.registers.get(RSP);
  const value = ldI64(vcpu.memory, rsp);
  vcpu.registers.set(RSP, rsp + 8);
  return value;
};

const pushRegister = (vcpu: Vcpu, register: number): void => {
  const { registers, memory } = vcpu;
  const rsp = registers.get(RSP) - 8;
  memory.probe(rsp, 8, true);
  memory.st32(rsp, registers.low(register));
  memory.st32(rsp + 4, registers.high(register));
  registers.set(RSP, rsp);
};

const popRegister = (vcpu: Vcpu, register: number): void => {
  const { registers, memory } = vcpu;
  const rsp = registers.get(RSP);
  const low = memory.ld32(rsp);
  registers.setPair(register, low, memory.ld32(rsp + 4));
  registers.set(RSP, rsp + 8);
};

/** Goes on behind an instruction. */
const next = ({ registers }: Vcpu, rip: number, length: number): void =>
  registers.set(RIP, rip + length);

/** Executes the real instruction at rip. */
export const stubInstruction = (vcpu: Vcpu, rip: number): void => {
  const { registers, memory } = vcpu;
  const word = memory.fetch32(rip);
  switch (word & 0xff) {
    case 0x50:
      pushRegister(vcpu, RAX);
      next(vcpu, rip, 1);
      return;
    case 0x51:
      pushRegister(vcpu, RCX);
      next(vcpu, rip, 1);
      return;
    case 0x59:
      popRegister(vcpu, RCX);
      next(vcpu, rip, 1);
      return;
    case 0xb8:
      registers.setPair(RAX, memory.fetch32(rip + 1), 0);
      next(vcpu, rip, 5);
      return;
    case 0x73: {
      const distance = (word << 16) >> 24;
      next(vcpu, rip, 2 + ((registers.low(RFLAGS) & CARRY) === 0 ? distance : 0));
      return;
    }
    case 0xc3:
      registers.set(RIP, popRip(vcpu));
      return;
    default:
  }
  switch (word & 0xffff) {
    case 0x5341:
      pushRegister(vcpu, R11);
      next(vcpu, rip, 2);
      return;
    case 0x5b41:
      popRegister(vcpu, R11);
      next(vcpu, rip, 2);
      return;
    case 0x050f:
      next(vcpu, rip, 2);
      vcpu.syscall();
      return;
    case 0xf748:
      if ((word & 0xff0000) === 0xd80000) {
        registers.set(RAX, -registers.get(RAX));
        next(vcpu, rip, 3);
        return;
      }
      vcpu.exception(TRAP_invalid_op);
      return;
    default:
      vcpu.exception(TRAP_invalid_op);
  }
};
