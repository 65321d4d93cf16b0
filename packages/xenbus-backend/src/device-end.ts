/**
 * The part of a back end's device that depends on what the device is. {@link Handshake} calls it, each function only in
 * the states named; a sentence that is given back is for people and ends the attempt.
 */
export interface DeviceEnd {
  /** Of the front end, from which on it has said where its rings are. */
  readonly readyAt: number;
  /** Whether the device's directory says all that {@link open} needs; if not, it is asked again when a node changes. */
  isComplete(): boolean;
  /** Before InitWait: opens what the device stands on and publishes what it can do. @returns why it cannot */
  open(): string | undefined;
  /**
   * Before Connected: maps the rings and binds the port that `frontend`, a directory, names. Nothing is held after a failure.
   * @returns what the front end got wrong
   * @throws XenError when Xen refuses a reference or a port
   */
  connect(frontend: string): string | undefined;
  /** Requests taken from the front end and not yet answered: Closing waits for them. */
  readonly pending: number;
  /** Forgets what was not answered, and lets go of rings and port, if there are any. */
  release(): void;
  /** Lets go of what {@link open} opened, if anything. */
  close(): void;
}

/** What a {@link DeviceEnd} knows of its device, and tells it. */
export interface DeviceHandle {
  readonly domid: number;
  readonly devid: number;
  /** The back end's own directory. */
  readonly directory: string;
  /** Nothing more is to be taken from the front end. */
  readonly draining: boolean;
  /** Something of the device's own changed, say {@link DeviceEnd.pending}: the handshake is to go on soon. */
  changed(): void;
  /** The guest broke a protocol: its device is closed, and the front end is expected to close too. */
  giveUp(sentence: string): void;
  /** A line of the story. */
  tell(sentence: string): void;
}
