import { PageFault } from '@port-xen/vcpu';
import type { Cpu } from './cpu.ts';

/** Above this, no user address. */
export const VM_MAXUSER_ADDRESS = 0x7f80_0000_0000;

/** Whether a user's range can be reached: probed whole before the first byte moves. */
const reachable = (cpu: Cpu, address: number, length: number, write: boolean): boolean => {
  if (address < 0 || length < 0 || address + length > VM_MAXUSER_ADDRESS) return false;
  try {
    cpu.memory.probe(address, length, write);
    return true;
  } catch (error) {
    if (error instanceof PageFault) return false;
    throw error;
  }
};

/** copyin(9): bytes from the running user's memory. @returns undefined for EFAULT */
export const copyin = (cpu: Cpu, address: number, length: number): Uint8Array | undefined => {
  if (!reachable(cpu, address, length, false)) return undefined;
  const bytes = new Uint8Array(length);
  cpu.memory.read(address, bytes);
  return bytes;
};

/** copyout(9): bytes to the running user's memory. @returns false for EFAULT */
export const copyout = (cpu: Cpu, address: number, bytes: Uint8Array): boolean => {
  if (!reachable(cpu, address, bytes.length, true)) return false;
  cpu.memory.write(address, bytes);
  return true;
};

/** copyinstr(9): a NUL-terminated string of at most `max` bytes. @returns undefined for EFAULT or when it is longer */
export const copyinstr = (cpu: Cpu, address: number, max: number): string | undefined => {
  let text = '';
  for (let i = 0; i < max; i++) {
    if (!reachable(cpu, address + i, 1, false)) return undefined;
    const byte = cpu.memory.ld8(address + i);
    if (byte === 0) return text;
    text += String.fromCharCode(byte);
  }
  return undefined;
};
