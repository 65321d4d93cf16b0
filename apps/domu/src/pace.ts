/*
 * Virtual time tied to real time: for a world that somebody types at.
 */

/** Nobody waits longer than this without a look at what was typed meanwhile. */
const LOOK_MS = 50;
/** What a slow machine is behind by more than this is forgiven: time is lost rather than hurried after. */
const FORGIVEN_MS = 1000;

/** A clock that a world is held to. */
export class Pace {
  #start_ms = performance.now();
  #waiting: (() => void) | undefined;

  /** What time it is in the world, whether or not anything has happened there since its last event. */
  get now_ns(): number {
    return (performance.now() - this.#start_ms) * 1e6;
  }

  /** Whether an event of that time may be handled now. */
  isDue(time_ns: number): boolean {
    const behind_ms = (this.now_ns - time_ns) / 1e6;
    if (behind_ms > FORGIVEN_MS) this.#start_ms += behind_ms - FORGIVEN_MS;
    return behind_ms >= 0;
  }

  /** Waits until that time has come, or somebody typed. */
  async until(time_ns: number): Promise<void> {
    const wait_ms = Math.min(LOOK_MS, Math.max(0, (time_ns - this.now_ns) / 1e6));
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, wait_ms);
      this.#waiting = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#waiting = undefined;
  }

  /** Something happened outside the world. */
  wake(): void {
    this.#waiting?.();
  }
}
