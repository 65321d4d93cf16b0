/*
 * The handshake of two ends of a device, as io/xenbus.h and the drawing in io/blkif.h have it:
 * which states an end may go on to, and where the other end must be for a back end to say that it
 * is connected.
 *
 *   front    1 Initialising -> 2 InitWait -> 3 Initialised -> 4 Connected -> 5 Closing -> 6 Closed -> 1 again
 *   back     1 Initialising -> 2 InitWait -> 3 Initialised -> 4 Connected -> 5 Closing -> 6 Closed -> 2, or 1, again
 *
 * Steps may be left out on the way to 4, and 5 and 6 come at any time. A front end that is
 * Connected goes on to 7 Reconfiguring and back; a back end from 7 to 8 Reconfigured and back. An
 * end that a toolstack makes begins at 1.
 */
import {
  XenbusStateClosed as Closed,
  XenbusStateClosing as Closing,
  XenbusStateConnected as Connected,
  XenbusStateInitialised as Initialised,
  XenbusStateInitialising as Initialising,
  XenbusStateInitWait as InitWait,
  XenbusStateReconfigured as Reconfigured,
  XenbusStateReconfiguring as Reconfiguring,
} from '@port-xen/abi';

/** One of the two ends of a device. */
export type End = 'front' | 'back';

type Steps = ReadonlyMap<number, readonly number[]>;

const WAY_UP: readonly (readonly [number, readonly number[]])[] = [
  [Initialising, [InitWait, Initialised, Connected, Closing, Closed]],
  [InitWait, [Initialised, Connected, Closing, Closed]],
  [Initialised, [Connected, Closing, Closed]],
  [Connected, [Reconfiguring, Closing, Closed]],
  [Closing, [Closed]],
];

const STEPS: Readonly<Record<End, Steps>> = {
  front: new Map([
    ...WAY_UP,
    [Closed, [Initialising]],
    [Reconfiguring, [Connected, Closing, Closed]],
  ]),
  back: new Map([
    ...WAY_UP,
    [Closed, [Initialising, InitWait]],
    [Reconfiguring, [Reconfigured, Closing, Closed]],
    [Reconfigured, [Connected, Closing, Closed]],
  ]),
};

/** The states of one device, as they are written. */
export class XenbusHandshake {
  readonly #states: Record<End, number | undefined> = { front: undefined, back: undefined };

  /**
   * An end says that it is in `state`.
   * @returns what the handshake does not allow about it, as a sentence; the state is taken as it is
   */
  step(end: End, state: number): string | undefined {
    const before = this.#states[end];
    this.#states[end] = state;
    if (before === state) return undefined;
    if (before === undefined) {
      return state === Initialising
        ? undefined
        : `expected a new ${end} end in state ${Initialising}, found ${state}`;
    }
    const steps = STEPS[end].get(before) ?? [];
    if (!steps.includes(state)) {
      const allowed = steps.join(', ') || 'no other';
      return `expected the ${end} end to go from state ${before} to ${allowed}, found ${state}`;
    }
    const { front } = this.#states;
    if (end === 'back' && state === Connected && before !== Reconfigured) {
      if (front !== Initialised && front !== Connected) {
        return `expected the front end Initialised or Connected before the back end is, found it in state ${front}`;
      }
    }
    return undefined;
  }

  /** An end's directory is gone. @returns whether both are */
  gone(end: End): boolean {
    this.#states[end] = undefined;
    return this.#states.front === undefined && this.#states.back === undefined;
  }
}
