import type { Sim } from '@port-xen/sim';
import type { Frame, Station } from './frame.ts';
import { Link, type LinkCounters, type LinkQuality } from './link.ts';

/** What the cable between a station and its bridge is like, each way. */
export interface Cable {
  readonly toBridge?: Partial<LinkQuality>;
  readonly toStation?: Partial<LinkQuality>;
}

/** What a port is made of. */
export interface PortParts {
  readonly sim: Sim;
  readonly name: string;
  readonly station: Station;
  readonly cable: Cable;
  /** Names the cable's random streams. */
  readonly stream: string;
  readonly onFrame: (frame: Frame) => void;
  readonly onDetach: () => void;
}

/** A bridge's end of a cable, and the handle of the station at its other end. */
export class Port {
  readonly name: string;
  readonly toBridge: Link;
  readonly toStation: Link;
  readonly #onDetach: () => void;

  constructor(parts: PortParts) {
    const { sim, name, station, cable, stream, onFrame, onDetach } = parts;
    this.name = name;
    this.#onDetach = onDetach;
    const { random } = sim;
    this.toBridge = new Link(sim, random.stream(`${stream}/in`), cable.toBridge ?? {}, onFrame);
    this.toStation = new Link(sim, random.stream(`${stream}/out`), cable.toStation ?? {}, (frame) =>
      station.receive(frame),
    );
  }

  /** Sends a frame from the station into the bridge. @returns false when the cable's queue is full and the frame is dropped */
  send(frame: Frame): boolean {
    return this.toBridge.send(frame);
  }

  /** Frames each way, as the cable counts them. */
  get counters(): { readonly toBridge: LinkCounters; readonly toStation: LinkCounters } {
    return { toBridge: this.toBridge.counters, toStation: this.toStation.counters };
  }

  /** Pulls the cable: what is in it is lost, and the bridge forgets who was heard here. */
  detach(): void {
    this.toBridge.close();
    this.toStation.close();
    this.#onDetach();
  }
}
