/*
 * One guest's console while its page is mapped. Bytes out are given on at once; bytes in wait in a queue until the
 * ring has room. The guest is told whenever an index of ours moved: it may be waiting for room or for input.
 *
 * A domain that has suspended is being copied, page by page, into an image: a byte put into its ring then would be
 * lost with the old page. So input waits while the domain is shut down, and is looked at again every millisecond
 * until it runs on or is gone. Output is taken as soon as it has shut down, before anybody reads its pages, so that
 * what was printed last is neither lost nor carried away in the image to be printed again.
 */
import type { Dom0, FrameMapping } from '@port-xen/hypervisor';
import type { Sim } from '@port-xen/sim';
import { ConsoleRing, ConsoleRingError } from './console-ring.ts';
import type { InputQueue } from './input-queue.ts';

const INPUT_LATENCY_NS = 4_000;
const RETRY_NS = 1_000_000;

/** What Xen does for a console daemon. */
export type ConsoleXen = Pick<
  Dom0,
  'mapForeign' | 'bindInterdomain' | 'notify' | 'close' | 'isBound'
>;

/** What a guest's console is made of. */
export interface GuestConsoleParts {
  readonly sim: Sim;
  readonly dom0: ConsoleXen;
  readonly domid: number;
  /** Typed for this guest; outlives a console that is taken up again. */
  readonly input: InputQueue;
  readonly output: (bytes: Uint8Array) => void;
  /** So many bytes of the queue are in the guest's ring now. */
  readonly onTaken: (count: number) => void;
  /** The domain has shut down: nothing may be put into its pages. */
  readonly isShutDown: () => boolean;
}

/** A mapped console page and its event channel. */
export class GuestConsole {
  readonly mfn: number;
  readonly remotePort: number;
  readonly #parts: GuestConsoleParts;
  readonly #mapping: FrameMapping;
  readonly #ring: ConsoleRing;
  readonly #port: number;
  #stopped = false;
  #inputEvent: number | undefined;

  /** @throws XenError when the frame or the port is no good; nothing is held then */
  constructor(parts: GuestConsoleParts, mfn: number, remotePort: number) {
    this.#parts = parts;
    this.mfn = mfn;
    this.remotePort = remotePort;
    this.#mapping = parts.dom0.mapForeign(parts.domid, mfn);
    this.#ring = new ConsoleRing(this.#mapping.memory);
    try {
      this.#port = parts.dom0.bindInterdomain(parts.domid, remotePort, () => this.#move());
    } catch (error) {
      this.#mapping.unmap();
      throw error;
    }
  }

  /** Whether the guest's end of the channel is gone: somebody reset the domain's ports. */
  get wasReset(): boolean {
    return !this.#stopped && !this.#parts.dom0.isBound(this.#port);
  }

  /** Takes what the guest has written, without waiting for its event. */
  takeOutput(): void {
    this.#guarded(() => this.#out());
  }

  /** Takes up what waits on either side. */
  takeUp(): void {
    this.#move();
  }

  /** There is input in the queue. */
  offerInput(): void {
    this.#inputIn(INPUT_LATENCY_NS);
  }

  /** Takes the last output and lets go of the page and the port. */
  stop(): void {
    this.takeOutput();
    this.#letGo();
  }

  #letGo(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    if (this.#inputEvent !== undefined) this.#parts.sim.cancel(this.#inputEvent);
    this.#parts.dom0.close(this.#port);
    this.#mapping.unmap();
  }

  /** The guest said that something moved. */
  #move(): void {
    this.#guarded(() => {
      const moved = this.#out();
      return this.#in() || moved;
    });
  }

  #out(): boolean {
    const bytes = this.#ring.take();
    if (bytes.length > 0) this.#parts.output(bytes);
    return bytes.length > 0;
  }

  #in(): boolean {
    const { input } = this.#parts;
    if (input.bytes === 0) return false;
    if (this.#parts.isShutDown()) {
      this.#inputIn(RETRY_NS);
      return false;
    }
    const before = input.bytes;
    input.drain((bytes) => this.#ring.put(bytes));
    const taken = before - input.bytes;
    if (taken > 0) this.#parts.onTaken(taken);
    return taken > 0;
  }

  #inputIn(delay_ns: number): void {
    if (this.#stopped || this.#inputEvent !== undefined) return;
    this.#inputEvent = this.#parts.sim.after(delay_ns, () => {
      this.#inputEvent = undefined;
      this.#guarded(() => this.#in());
    });
  }

  /** Moves bytes, tells the guest, and gives the console up when its indices cannot be. */
  #guarded(move: () => boolean): void {
    if (this.#stopped) return;
    try {
      if (move()) {
        this.#mapping.markDirty();
        this.#parts.dom0.notify(this.#port);
      }
    } catch (error) {
      if (!(error instanceof ConsoleRingError)) throw error;
      const { sim, domid } = this.#parts;
      sim.tell('xenconsoled', `domain ${domid}: ${error.message}; its console is stopped`);
      this.#letGo();
    }
  }
}
