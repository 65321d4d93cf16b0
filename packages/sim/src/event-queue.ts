/*
 * A binary heap of (time, sequence number), each in its own typed array: ties are broken by order of scheduling.
 * What is cancelled stays in the heap with its function gone, and is skipped when it comes up, or thrown out when the heap is full
 * and half of it is cancelled: whoever sets a timer for ever anew takes no more room than one who sets it once.
 */
export class EventQueue {
  #time = new Float64Array(64);
  #sequence = new Float64Array(64);
  #length = 0;
  #next = 1;
  readonly #pending = new Map<number, () => void>();

  /** How many events are to come. */
  get size(): number {
    return this.#pending.size;
  }

  /** @returns the event's number, for {@link cancel} */
  push(time_ns: number, run: () => void): number {
    const sequence = this.#next++;
    if (this.#length === this.#time.length) this.#makeRoom();
    let i = this.#length++;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if ((this.#time[parent] as number) <= time_ns) break;
      this.#move(parent, i);
      i = parent;
    }
    this.#time[i] = time_ns;
    this.#sequence[i] = sequence;
    this.#pending.set(sequence, run);
    return sequence;
  }

  cancel(event: number): void {
    this.#pending.delete(event);
  }

  /** When the next event is due; Infinity when none is. */
  get nextTime_ns(): number {
    this.#skipCancelled();
    return this.#length === 0 ? Number.POSITIVE_INFINITY : (this.#time[0] as number);
  }

  /** Takes the next event off the queue. */
  pop(): { time_ns: number; run: () => void } | undefined {
    this.#skipCancelled();
    if (this.#length === 0) return undefined;
    const time_ns = this.#time[0] as number;
    const sequence = this.#sequence[0] as number;
    this.#removeFirst();
    const run = this.#pending.get(sequence) as () => void;
    this.#pending.delete(sequence);
    return { time_ns, run };
  }

  #skipCancelled(): void {
    while (this.#length > 0 && !this.#pending.has(this.#sequence[0] as number)) this.#removeFirst();
  }

  #removeFirst(): void {
    const last = --this.#length;
    const time = this.#time[last] as number;
    const sequence = this.#sequence[last] as number;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= last) break;
      if (child + 1 < last && this.#before(child + 1, child)) child++;
      const childTime = this.#time[child] as number;
      if (
        time < childTime ||
        (time === childTime && sequence < (this.#sequence[child] as number))
      ) {
        break;
      }
      this.#move(child, i);
      i = child;
    }
    this.#time[i] = time;
    this.#sequence[i] = sequence;
  }

  #before(i: number, j: number): boolean {
    const a = this.#time[i] as number;
    const b = this.#time[j] as number;
    return a < b || (a === b && (this.#sequence[i] as number) < (this.#sequence[j] as number));
  }

  #move(from: number, to: number): void {
    this.#time[to] = this.#time[from] as number;
    this.#sequence[to] = this.#sequence[from] as number;
  }

  #makeRoom(): void {
    if (this.#pending.size < this.#length / 2) this.#throwOutCancelled();
    else this.#grow();
  }

  /** What is left in the order in which it will come up is a heap. */
  #throwOutCancelled(): void {
    const left: [number, number][] = [];
    for (let i = 0; i < this.#length; i++) {
      const sequence = this.#sequence[i] as number;
      if (this.#pending.has(sequence)) left.push([this.#time[i] as number, sequence]);
    }
    left.sort(([a, first], [b, second]) => a - b || first - second);
    left.forEach(([time_ns, sequence], i) => {
      this.#time[i] = time_ns;
      this.#sequence[i] = sequence;
    });
    this.#length = left.length;
  }

  #grow(): void {
    const time = new Float64Array(this.#time.length * 2);
    const sequence = new Float64Array(this.#sequence.length * 2);
    time.set(this.#time);
    sequence.set(this.#sequence);
    this.#time = time;
    this.#sequence = sequence;
  }
}
