/*
 * A wire between two hosts in virtual time: it delays, loses, reorders and duplicates what it carries, as its random stream says.
 */
import type { Random, Sim } from '@port-xen/sim';
import type { Host } from './host.ts';

export interface WireOptions {
  readonly delay_ns?: number;
  /** Up to this much more, drawn for each frame: frames overtake each other. */
  readonly jitter_ns?: number;
  /** Frames of a thousand. */
  readonly loss?: number;
  readonly duplication?: number;
  readonly corruption?: number;
}

export class Wire {
  readonly sim: Sim;
  readonly random: Random;
  options: WireOptions;
  readonly ends: [Host, Host];
  /** What a test wants to see or to stop: true loses the frame. */
  filter: (frame: Uint8Array, from: number) => boolean = () => false;
  carried = 0;

  constructor(sim: Sim, a: Host, b: Host, options: WireOptions = {}) {
    this.sim = sim;
    this.random = sim.random.stream('wire');
    this.options = options;
    this.ends = [a, b];
    this.plug(0, a);
    this.plug(1, b);
  }

  /** Puts a host at an end. */
  plug(end: 0 | 1, host: Host): void {
    this.ends[end] = host;
    host.hardware.send = (frame, csum) => this.#send(end, frame, csum);
  }

  #send(from: 0 | 1, frame: Uint8Array, csum: number): void {
    this.carried++;
    if (this.filter(frame, from)) return;
    const {
      delay_ns = 100_000,
      jitter_ns = 0,
      loss = 0,
      duplication = 0,
      corruption = 0,
    } = this.options;
    const { random } = this;
    const copies = random.below(1000) < duplication ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      if (random.below(1000) < loss) continue;
      const bytes = frame.slice();
      if (random.below(1000) < corruption) {
        const at = random.below(bytes.length);
        bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
      }
      const late = jitter_ns === 0 ? 0 : random.below(jitter_ns);
      this.sim.after(delay_ns + late, () => {
        (this.ends[1 - from] as Host).receive(bytes, csum);
      });
    }
  }

  /** Runs until `done` or for so long. @returns whether `done` */
  run(seconds: number, done: () => boolean = () => false): boolean {
    const end = this.sim.now_ns + seconds * 1e9;
    while (!done()) {
      if (this.sim.nextTime_ns > end) {
        this.sim.now_ns = end;
        return done();
      }
      this.sim.step();
    }
    return true;
  }
}
