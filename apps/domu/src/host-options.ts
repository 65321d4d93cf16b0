import { XEN2_SLOT_FRAMES } from '@port-xen/hypervisor';
import { Random } from '@port-xen/sim';
import type { Interface } from '@port-xen/toolstack';
import { UserError } from './user-error.ts';

/** What may be said of a host with --host KEY=VALUE. */
export interface HostOptions {
  /** 0 … 63: which 2^21 machine frames it owns. */
  slot?: number;
  /** Nanoseconds that the host has been up when the world starts. */
  uptime_ns?: number;
  tscKhz?: number;
  /** Nanoseconds since 1970 when the world starts. */
  wallclock_ns?: number;
  /** Nanoseconds that the host's clocks gain in a second; negative when they lose. */
  drift_ppb?: number;
  /** First domid and first dynamic port depend on the slot. */
  disjoint?: boolean;
}

export const SLOTS = 64;
/** No crystal is off by more: 500 ppm, which is what ntpd can correct. */
const DRIFT_PPB_MAX = 500_000;

/** How the slots lie of hosts that can run a domain of an interface: the rings of xen-2.0 carry frame numbers below 2^20. */
export interface SlotPlan {
  readonly slots: number;
  /** Frames from one host's first to the next's. */
  readonly slotFrames: number;
}

const SLOT_PLANS: Readonly<Record<Interface, SlotPlan>> = {
  'xen-3.0': { slots: SLOTS, slotFrames: 2 ** 21 },
  'xen-2.0': { slots: 2 ** 20 / XEN2_SLOT_FRAMES, slotFrames: XEN2_SLOT_FRAMES },
};

export const slotPlan = (xen: Interface = 'xen-3.0'): SlotPlan => SLOT_PLANS[xen];

const number = (key: string, text: string, low: number, high: number): number => {
  const value = Number(text);
  if (text === '' || !(value >= low && value <= high)) {
    throw new UserError(
      `expected --host ${key} within [${low}, ${high}], found ${JSON.stringify(text)}`,
    );
  }
  return value;
};

/** Reads one KEY=VALUE into the options. Times are in seconds. @throws UserError */
export const readHostOption = (option: string, into: HostOptions, now_ns: () => number): void => {
  const equals = option.indexOf('=');
  const key = option.slice(0, equals);
  const value = option.slice(equals + 1);
  switch (equals < 0 ? '' : key) {
    case 'slot':
      into.slot = Math.floor(number(key, value, 0, SLOTS - 1));
      return;
    case 'uptime':
      into.uptime_ns = Math.round(number(key, value, 0, 1e9) * 1e9);
      return;
    case 'tsc-khz':
      into.tscKhz = Math.round(number(key, value, 1e5, 1e7));
      return;
    case 'wallclock':
      into.wallclock_ns = value === 'now' ? now_ns() : Math.round(number(key, value, 0, 4e9)) * 1e9;
      return;
    case 'drift-ppb':
      into.drift_ppb = Math.round(number(key, value, -DRIFT_PPB_MAX, DRIFT_PPB_MAX));
      return;
    case 'handles':
      if (value !== 'disjoint' && value !== 'plain') {
        throw new UserError(
          `expected --host handles=plain or disjoint, found ${JSON.stringify(value)}`,
        );
      }
      into.disjoint = value === 'disjoint';
      return;
    default:
      throw new UserError(
        `expected --host slot=, uptime=, tsc-khz=, wallclock=, drift-ppb= or handles=, found ${JSON.stringify(option)}`,
      );
  }
};

/** A host with everything said. */
export type Host = Required<HostOptions> & Partial<Pick<SlotPlan, 'slotFrames'>>;

const DAY_NS = 86_400e9;
/** 2026-01-01 00:00 UTC: where drawn wall clocks start. */
const EPOCH_NS = 1_767_225_600e9;

/**
 * What was not said is drawn from the seed and the slot, so that another slot is another machine.
 * @param xen whose interface the domain has that the host is for
 * @throws UserError
 */
export const completeHost = (
  options: HostOptions,
  seed: number,
  slot: number,
  xen: Interface = 'xen-3.0',
): Host => {
  const { slots, slotFrames } = slotPlan(xen);
  if (slot >= slots) {
    throw new UserError(
      `expected --host slot within [0, ${slots - 1}] for a domain of ${xen}, found ${slot}`,
    );
  }
  const random = new Random(seed, `host/${slot}`);
  const uptime_ns = random.between(60, 60 * 86_400) * 1e9 + random.below(1e9);
  const tscKhz = random.between(1_000_000, 5_000_000);
  return {
    slot,
    slotFrames,
    uptime_ns: options.uptime_ns ?? uptime_ns,
    tscKhz: options.tscKhz ?? tscKhz,
    wallclock_ns: options.wallclock_ns ?? EPOCH_NS + random.below(300) * DAY_NS,
    drift_ppb: options.drift_ppb ?? 0,
    disjoint: options.disjoint ?? false,
  };
};
