/*
 * One direction of a cable. Frames leave one after the other, each taking the time that its bits take, and arrive after the
 * latency. What is lost, comes twice or comes late is drawn from the link's own stream:
 *
 *     send ─▶ [waiting: at most queue_bytes] ─▶ on the wire ──┬─ lost
 *                                                             ├─ after latency_ns
 *                                                             ├─ after latency_ns + late_ns, so that others overtake it
 *                                                             └─ after latency_ns, twice
 *
 * Nothing is kept of waiting frames but when the last of them will have left.
 */
import type { Random, Sim } from '@port-xen/sim';
import { type Frame, MAX_FRAME_BYTES } from './frame.ts';

/** What a link does to frames. Chances are in parts per million. */
export interface LinkQuality {
  readonly latency_ns: number;
  /** Bits a second; Infinity: they take no time. */
  readonly bandwidth_bps: number;
  /** What may wait to be sent; more is dropped. */
  readonly queue_bytes: number;
  readonly loss_ppm: number;
  readonly duplication_ppm: number;
  readonly reordering_ppm: number;
  /** By how much a reordered frame comes late. */
  readonly late_ns: number;
}

/** A cable within a host: 20 µs, 10 Gbit/s, a queue of 1 MiB, no faults. */
export const LINK_DEFAULTS: LinkQuality = {
  latency_ns: 20_000,
  bandwidth_bps: 10e9,
  queue_bytes: 1 << 20,
  loss_ppm: 0,
  duplication_ppm: 0,
  reordering_ppm: 0,
  late_ns: 1_000_000,
};

/** What has become of the frames given to a link. */
export interface LinkCounters {
  readonly frames: number;
  readonly bytes: number;
  /** For want of room. */
  readonly dropped: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
}

/** Preamble, check sequence and the gap after a frame. */
const OVERHEAD_BYTES = 24;
const MIN_BYTES = 60;
const MILLION = 1_000_000;

/** Carries frames to `deliver`, each in a simulation event of its own. */
export class Link {
  readonly #sim: Sim;
  readonly #random: Random;
  readonly #deliver: (frame: Frame) => void;
  #quality: LinkQuality;
  #free_ns = 0;
  #closed = false;
  #waiting = false;
  readonly #counters = {
    frames: 0,
    bytes: 0,
    dropped: 0,
    lost: 0,
    duplicated: 0,
    reordered: 0,
  };

  /** @param random the link's own stream */
  constructor(
    sim: Sim,
    random: Random,
    quality: Partial<LinkQuality>,
    deliver: (frame: Frame) => void,
  ) {
    this.#sim = sim;
    this.#random = random;
    this.#quality = { ...LINK_DEFAULTS, ...quality };
    this.#deliver = deliver;
  }

  get counters(): LinkCounters {
    return { ...this.#counters };
  }

  /** Changes what the link does from the next frame on: `{ loss_ppm: 1_000_000 }` pulls the plug. */
  change(quality: Partial<LinkQuality>): void {
    this.#quality = { ...this.#quality, ...quality };
  }

  /** Whether a frame of any size can be sent without being dropped. */
  get hasRoom(): boolean {
    return this.#waiting_bytes <= Math.max(0, this.#quality.queue_bytes - MAX_FRAME_BYTES);
  }

  /** Calls `resume`, once, when there is room: at the earliest when half of the queue has left. One caller at a time. */
  whenRoom(resume: () => void): void {
    if (this.#waiting) return;
    this.#waiting = true;
    const half_ns = this.#time_ns(this.#quality.queue_bytes / 2 - MAX_FRAME_BYTES);
    this.#sim.at(this.#free_ns - Math.max(0, half_ns), () => {
      this.#waiting = false;
      if (!this.#closed) resume();
    });
  }

  /** @returns whether the frame was taken; it may be lost all the same */
  send(frame: Frame): boolean {
    const { latency_ns, queue_bytes, loss_ppm, duplication_ppm, reordering_ppm, late_ns } =
      this.#quality;
    const length = Math.max(frame.bytes.length, MIN_BYTES) + OVERHEAD_BYTES;
    const waiting_bytes = this.#waiting_bytes;
    // An idle link takes any frame, however short its queue.
    if (this.#closed || (waiting_bytes > 0 && waiting_bytes + length > queue_bytes)) {
      this.#counters.dropped++;
      return false;
    }
    this.#counters.frames++;
    this.#counters.bytes += frame.bytes.length;
    this.#free_ns = Math.max(this.#sim.now_ns, this.#free_ns) + this.#time_ns(length);
    if (this.#chance(loss_ppm)) {
      this.#counters.lost++;
      return true;
    }
    let arrival_ns = this.#free_ns + latency_ns;
    if (this.#chance(reordering_ppm)) {
      this.#counters.reordered++;
      arrival_ns += late_ns;
    }
    this.#arrive(arrival_ns, frame);
    if (this.#chance(duplication_ppm)) {
      this.#counters.duplicated++;
      this.#arrive(arrival_ns, frame);
    }
    return true;
  }

  /** What is on its way is lost, and nothing is taken any more. */
  close(): void {
    this.#closed = true;
  }

  get #waiting_bytes(): number {
    const { bandwidth_bps } = this.#quality;
    if (bandwidth_bps === Number.POSITIVE_INFINITY) return 0;
    return (Math.max(0, this.#free_ns - this.#sim.now_ns) * bandwidth_bps) / 8e9;
  }

  #time_ns(bytes: number): number {
    return Math.ceil((bytes * 8e9) / this.#quality.bandwidth_bps);
  }

  /** A chance of nothing draws nothing, so that a perfect link costs nothing. */
  #chance(ppm: number): boolean {
    return ppm > 0 && this.#random.below(MILLION) < ppm;
  }

  #arrive(time_ns: number, frame: Frame): void {
    this.#sim.at(time_ns, () => {
      if (!this.#closed) this.#deliver(frame);
    });
  }
}
