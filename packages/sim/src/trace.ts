/** What a world reports as it runs. The numbers and texts of an event are the trace hash's input. */
export type TraceKind = 'hypercall' | 'upcall' | 'ring' | 'xenstore';

/** One event: what it is, on which domain's behalf, and its particulars in a fixed order. */
export type TraceListener = (
  kind: TraceKind,
  domid: number,
  particulars: readonly (number | string)[],
) => void;

/** A line of the story: which subsystem did what, for people. */
export type StoryListener = (time_ns: number, subsystem: string, text: string) => void;

/**
 * Where the parts of a world report to. Whoever emits checks {@link Trace.on} first, so that a world that nobody
 * listens to pays one test.
 */
export class Trace {
  readonly #listeners: TraceListener[] = [];
  readonly #story: StoryListener[] = [];
  /** Somebody listens to events. */
  on = false;

  listen(listener: TraceListener): void {
    this.#listeners.push(listener);
    this.on = true;
  }

  listenToStory(listener: StoryListener): void {
    this.#story.push(listener);
  }

  emit(kind: TraceKind, domid: number, ...particulars: readonly (number | string)[]): void {
    for (const listener of this.#listeners) listener(kind, domid, particulars);
  }

  tell(time_ns: number, subsystem: string, text: string): void {
    for (const listener of this.#story) listener(time_ns, subsystem, text);
  }
}
