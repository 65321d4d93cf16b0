/*
 * Reading Xen's clock (vcpu_time_info, xen/include/public/xen.h):
 *
 *     repeat  v1 = version (even); read the rest; until version is still v1
 *     now     = system_time + ((tsc - tsc_timestamp) scaled by tsc_shift) × tsc_to_system_mul / 2^32   ns
 *
 * The product has 96 bits. It is taken in parts that a double holds exactly, without a BigInt.
 */
import type { vcpu_time_info } from '@port-xen/abi';
import type { View } from '@port-xen/layout';
import type { Tsc } from '@port-xen/vcpu';

const TWO_32 = 0x1_0000_0000;

/**
 * ⌊(high × 2^32 + low) × mul / 2^32⌋.
 * @param high below 2^21, so that the result is exact @param low unsigned @param mul unsigned 32 bits
 */
export const mulFrac = (high: number, low: number, mul: number): number => {
  const p = (low >>> 16) * mul;
  const q = (low & 0xffff) * mul;
  return high * mul + Math.floor((p + Math.floor(q / 0x1_0000)) / 0x1_0000);
};

/** Nanoseconds since the host's Xen started. */
export const readSystemTime = (
  time: View<typeof vcpu_time_info>,
  readTsc: (into: Tsc) => void,
): number => {
  const tsc: Tsc = { low: 0, high: 0 };
  for (;;) {
    const version = time.version;
    const at = time.address;
    const stampLow = time.memory.ld32(at + 8) >>> 0;
    const stampHigh = time.memory.ld32(at + 12);
    const systemTime = time.system_time;
    const mul = time.tsc_to_system_mul;
    const shift = time.tsc_shift;
    readTsc(tsc);
    if ((version & 1) !== 0 || time.version !== version) continue;
    const low = (tsc.low >>> 0) - stampLow;
    const delta = (tsc.high - stampHigh) * TWO_32 + low;
    // A TSC below the stamp belongs to another processor; time does not go back for it.
    const scaled = Math.floor(Math.max(0, delta) * 2 ** shift);
    return systemTime + mulFrac(Math.floor(scaled / TWO_32), scaled % TWO_32, mul);
  }
};
