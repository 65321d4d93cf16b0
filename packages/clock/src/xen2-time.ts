/*
 * Xen 2's clock (clock.c of the Xen 2 port): one moment's TSC, system time and wall clock, and the TSC's frequency.
 *
 *     repeat  read; until time_version1 = time_version2
 *     now     = system_time + (tsc - tsc_timestamp) × 10⁹ / cpu_freq   ns
 */
import { xen2_shared_info } from '@port-xen/abi';
import type { Cpu } from '@port-xen/kern';
import { ldU64 } from '@port-xen/layout';
import type { HostTime } from './host-time.ts';
import { addNs } from './pvclock.ts';
import { setTime, setTimeOfNs, subTime, type Timespec } from './timespec.ts';

const TWO_32 = 0x1_0000_0000;
const NS_PER_S = 1e9;
/** Words from cpu_freq to wc_usec. */
const WORDS = 10;
const { offset } = xen2_shared_info;
const wordOf = (field: number): number => (field - offset.cpu_freq) / 4;
const VERSION1 = wordOf(offset.time_version1);
const VERSION2 = wordOf(offset.time_version2);
const TSC = wordOf(offset.tsc_timestamp);
const SYSTEM = wordOf(offset.system_time);
const WC_SEC = wordOf(offset.wc_sec);
const WC_USEC = wordOf(offset.wc_usec);

/** TSC ticks in ns, rounded down. @param delta negative counts as 0 @param hertz below 2^43 */
export const ticksToNs = (delta: number, hertz: number): number => {
  // A TSC below the stamp belongs to another processor; time does not go back for it.
  if (delta <= 0) return 0;
  const s = Math.floor(delta / hertz);
  let rest = delta - s * hertz;
  let ns = 0;
  // Three digits at a time: each product is one that a double holds.
  for (let i = 0; i < 3; i++) {
    rest *= 1000;
    const digits = Math.floor(rest / hertz);
    rest -= digits * hertz;
    ns = ns * 1000 + digits;
  }
  return s * NS_PER_S + ns;
};

export class Xen2Time implements HostTime {
  readonly cpu: Cpu;
  readonly sharedInfo: number;

  constructor(cpu: Cpu, sharedInfo: number) {
    this.cpu = cpu;
    this.sharedInfo = sharedInfo;
  }

  /** Everything of one moment. */
  #moment(): Int32Array {
    for (;;) {
      const words = this.cpu.load(this.sharedInfo + offset.cpu_freq, WORDS);
      if (words[VERSION1] === words[VERSION2]) return words;
    }
  }

  /** Nanoseconds since a moment. */
  #since(words: Int32Array): number {
    const hertz = (words[1] as number) * TWO_32 + ((words[0] as number) >>> 0);
    return ticksToNs(this.cpu.tscSince(words[TSC] as number, words[TSC + 1] as number), hertz);
  }

  nsSince(low: number, high: number): number {
    const words = this.#moment();
    const system = ((words[SYSTEM] as number) >>> 0) - (low >>> 0);
    return ((words[SYSTEM + 1] as number) - high) * TWO_32 + system + this.#since(words);
  }

  store(into: number): void {
    const { memory } = this.cpu;
    const words = this.#moment();
    memory.st32(into, words[SYSTEM] as number);
    memory.st32(into + 4, words[SYSTEM + 1] as number);
    addNs(memory, into, this.#since(words));
  }

  epoch(into: Timespec): void {
    const words = this.#moment();
    const up: Timespec = { tv_sec: 0, tv_nsec: 0 };
    setTimeOfNs(up, words[SYSTEM] as number, words[SYSTEM + 1] as number);
    setTime(into, (words[WC_SEC] as number) >>> 0, ((words[WC_USEC] as number) >>> 0) * 1000);
    subTime(into, into, up);
  }

  get tscKhz(): number {
    return Math.round(ldU64(this.cpu.memory, this.sharedInfo + offset.cpu_freq) / 1000);
  }
}
