/*
 * The state machine of a back end, as one pure function: from what both ends say to what is to be done next.
 * It is asked again whenever a node of either end changed and whenever a request has been answered, so it must
 * say 'wait' when nothing is to be done.
 *
 *   front end            own state        step
 *   Closed or gone       not Closed       abandon: forget what is in flight, release the ring, Closed
 *   Closing              ring mapped      drain: answer what was taken, then release the ring
 *   Closing              no ring          own Closing (what a front end waits for before it says Closed)
 *   ready                InitWait         connect: map ring and port, Connected
 *   Initialising         Closed, online   reopen: InitWait again
 *   0, 1 or 2            not online       abandon: it is not connected, there is nobody to wait for
 *   anything else                         wait
 *
 * A front end is ready when it is Connected; that of a block device already when it is Initialised (`readyAt`). A network
 * front end that is Initialised may not have said yet where its rings are.
 *
 * A toolstack removes a device by writing `online` 0 and `state` Closing into the back end's own directory; a
 * front end that is connected sees the latter and closes first.
 */
import {
  XenbusStateClosed,
  XenbusStateClosing,
  XenbusStateConnected,
  XenbusStateInitialising,
  XenbusStateInitWait,
} from '@port-xen/abi';

/** What the next step depends on. */
export interface BothEnds {
  /** The state this back end last put itself in. */
  readonly own: number;
  /** The front end's state, read as hostile: see stateOf. */
  readonly front: number;
  /** `online` is not 0: the device is to stay. */
  readonly online: boolean;
  /** The ring is mapped. */
  readonly mapped: boolean;
  /** The state from which on a front end has said where its rings are: Initialised or Connected. */
  readonly readyAt: number;
}

export type Step = 'wait' | 'connect' | 'drain' | 'close' | 'abandon' | 'reopen';

/** What a back end does next. */
export const nextStep = (ends: BothEnds): Step => {
  const { own, front } = ends;
  if (front === XenbusStateClosed) return own === XenbusStateClosed ? 'wait' : 'abandon';
  if (own === XenbusStateClosed) {
    return front === XenbusStateInitialising && ends.online ? 'reopen' : 'wait';
  }
  if (front === XenbusStateClosing) {
    if (ends.mapped) return 'drain';
    return own === XenbusStateClosing ? 'wait' : 'close';
  }
  if (front >= ends.readyAt && front <= XenbusStateConnected) {
    return own === XenbusStateInitWait && ends.online ? 'connect' : 'wait';
  }
  return ends.online ? 'wait' : 'abandon';
};
