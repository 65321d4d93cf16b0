/*
 * A vcpu_time_info in plain memory, and a TSC that says what it is told: what is read is compared with what BigInt makes of it.
 */
import { vcpu_time_info } from '@port-xen/abi';
import type { Cpu } from '@port-xen/kern';
import { BytesMemory } from '@port-xen/layout';

export interface Stamp {
  readonly tsc: bigint;
  readonly system_ns: bigint;
  readonly mul: number;
  readonly shift: number;
}

const MASK = (1n << 64n) - 1n;
export const TIME = 64;

/** What pvclock_get_time_values_and_compute says. */
export const expectedNs = ({ tsc, system_ns, mul, shift }: Stamp, now: bigint): bigint => {
  const delta = now - tsc;
  const shifted = shift < 0 ? delta >> BigInt(-shift) : delta << BigInt(shift);
  return system_ns + ((shifted * BigInt(mul)) >> 32n);
};

export class FlatTime {
  readonly bytes = new Uint8Array(256);
  readonly memory = new BytesMemory(this.bytes);
  readonly cpu: Cpu;
  /** Called before every load, with its address. */
  beforeLoad: (address: number) => void = () => {};

  /** @param now the TSC */
  constructor(now: () => bigint) {
    const { memory } = this;
    const watched = {
      ld32: (address: number): number => {
        this.beforeLoad(address);
        return memory.ld32(address);
      },
      st32: (address: number, value: number): void => memory.st32(address, value),
    };
    const words = new Int32Array(16);
    this.cpu = {
      memory: watched,
      load: (address: number, count: number): Int32Array => {
        for (let k = 0; k < count; k++) words[k] = watched.ld32(address + 4 * k);
        return words;
      },
      tscSince: (low: number, high: number): number => {
        const stamp = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
        return Number(BigInt.asIntN(64, now() - stamp));
      },
    } as unknown as Cpu;
  }

  words(address: number): bigint {
    const high = BigInt(this.memory.ld32(address + 4) >>> 0);
    return (high << 32n) | BigInt(this.memory.ld32(address) >>> 0);
  }

  setWords(address: number, value: bigint): void {
    this.memory.st32(address, Number(BigInt.asIntN(32, value & MASK)));
    this.memory.st32(address + 4, Number(BigInt.asIntN(32, (value & MASK) >> 32n)));
  }

  /** What Xen writes between the two versions. */
  write({ tsc, system_ns, mul, shift }: Stamp): void {
    const time = vcpu_time_info.at(this.memory, TIME);
    this.setWords(TIME + vcpu_time_info.offset.tsc_timestamp, tsc);
    this.setWords(TIME + vcpu_time_info.offset.system_time, system_ns);
    time.tsc_to_system_mul = mul;
    time.tsc_shift = shift;
  }

  get version(): number {
    return vcpu_time_info.at(this.memory, TIME).version;
  }

  set version(version: number) {
    vcpu_time_info.at(this.memory, TIME).version = version;
  }
}
