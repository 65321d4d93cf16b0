import { st64 } from '@port-xen/layout';
import { RSP } from '@port-xen/vcpu';
import type { Cpu } from './cpu.ts';

/** Pushes a 64-bit word, a return address mostly, on the running stack. */
export const push64 = (cpu: Cpu, value: number): void => {
  const rsp = cpu.registers.get(RSP) - 8;
  st64(cpu.memory, rsp, value);
  cpu.registers.set(RSP, rsp);
};
