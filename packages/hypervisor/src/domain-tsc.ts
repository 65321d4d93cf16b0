/*
 * The time-stamp counter as a domain sees it (tsc_set_info, tsc_get_info, pv_soft_rdtsc of xen/arch/x86/time.c).
 *
 *     mode   0 default   the host's, unless the domain comes from a host of another frequency: then emulated
 *            1 always    emulated: ticks of `khz` since the domain began, whichever host it is on
 *            2 never     the host's
 *
 * What travels with the domain is {mode, khz, nsec, incarnation}: nsec is how long the counter has run, incarnation how many lives
 * the domain has had. An emulated counter never stands still between two reads.
 */
import type { Tsc } from '@port-xen/vcpu';
import type { HostClock } from './pvclock.ts';
import { countOfTicks, nextMoment, type TimeScale, ticksAt, timeScale } from './time-scale.ts';

/** XEN_DOMCTL_tsc_info. */
export interface TscSettings {
  readonly mode: number;
  readonly khz: number;
  /** 64 bits. */
  readonly nsec: bigint;
  readonly incarnation: number;
}

const TSC_MODE_DEFAULT = 0;
const TSC_MODE_ALWAYS_EMULATE = 1;
const TSC_MODE_NEVER_EMULATE = 2;
const KHZ_MAX = 2 ** 24;
const NS_PER_S = 1_000_000_000;
/** Time infos are about moments that have passed: so far before now the counter is reckoned too. */
const BEFORE_S = 2;

export class DomainTsc {
  readonly #clock: HostClock;
  #mode = TSC_MODE_DEFAULT;
  #khz: number;
  #incarnation = 0;
  #emulated = false;
  /** An emulated counter: host time at which it stood at `#start`, and for how many seconds it had run then. */
  #offset_ns = 0;
  #offset_s = 0;
  #start: Tsc = { low: 0, high: 0 };
  /** Host time; of the first read: long ago. */
  #lastRead_ns = -(2 ** 53);
  #scale: TimeScale;

  constructor(clock: HostClock) {
    this.#clock = clock;
    this.#khz = clock.tscKhz;
    this.#scale = clock.scale;
    this.set({ mode: TSC_MODE_DEFAULT, khz: 0, nsec: 0n, incarnation: 0 });
  }

  /** RDTSC is trapped. */
  get emulated(): boolean {
    return this.#emulated;
  }

  /** Its rate. */
  get khz(): number {
    return this.#emulated ? this.#khz : this.#clock.tscKhz;
  }

  /** What a guest computes with. */
  get scale(): TimeScale {
    return this.#emulated ? this.#scale : this.#clock.scale;
  }

  /** tsc_set_info. @param settings khz 0 is the host's @returns false, nothing done, for values that cannot be */
  set({ mode, khz, nsec, incarnation }: TscSettings): boolean {
    const ticks = khz === 0 ? this.#clock.tscKhz : khz;
    if (!(mode <= TSC_MODE_NEVER_EMULATE) || ticks >= KHZ_MAX) return false;
    this.#mode = mode;
    this.#incarnation = incarnation + 1;
    if (mode !== TSC_MODE_NEVER_EMULATE) {
      // Whole seconds and the rest: ns of a hundred days and more are no number.
      const run_s = Number(nsec / BigInt(NS_PER_S));
      this.#offset_s = run_s - BEFORE_S;
      this.#offset_ns =
        this.#clock.now_ns() - Number(nsec % BigInt(NS_PER_S)) - BEFORE_S * NS_PER_S;
      this.#start = countOfTicks(this.#offset_s, ticks, 0);
      this.#khz = ticks;
      this.#scale = timeScale(ticks);
    }
    this.#emulated =
      mode === TSC_MODE_ALWAYS_EMULATE ||
      (mode === TSC_MODE_DEFAULT && ticks !== this.#clock.tscKhz);
    return true;
  }

  /** tsc_get_info. */
  get(): TscSettings {
    const common = { mode: this.#mode, incarnation: this.#incarnation };
    if (this.#mode === TSC_MODE_NEVER_EMULATE) return { ...common, khz: 0, nsec: 0n };
    const { tscKhz, tscOffset, epoch_s } = this.#clock;
    const now = this.#clock.now_ns();
    if (this.#emulated) {
      const run = BigInt(this.#offset_s) * BigInt(NS_PER_S) + BigInt(now - this.#offset_ns);
      return { ...common, khz: this.#khz, nsec: run < 0n ? 0n : run };
    }
    const before = (BigInt(tscOffset) * 1_000_000n) / BigInt(tscKhz);
    const nsec = BigInt(epoch_s) * BigInt(NS_PER_S) + BigInt(now) + before;
    return { ...common, khz: tscKhz, nsec };
  }

  /** RDTSC. */
  read(into: Tsc): void {
    if (!this.#emulated) {
      this.#clock.readTsc(into);
      return;
    }
    this.#lastRead_ns = Math.max(this.#clock.now_ns(), nextMoment(this.#lastRead_ns));
    this.at(this.#lastRead_ns, into);
  }

  /** The counter at a host time; before its beginning it is negative. */
  at(host_ns: number, into: Tsc): void {
    if (this.#emulated) ticksAt(host_ns - this.#offset_ns, this.#khz, this.#start, into);
    else this.#clock.tscAt(host_ns, into);
  }
}
