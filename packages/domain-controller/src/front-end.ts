/*
 * The controller's part in connecting a front end of a domain's with its back end: CMSG_BLKIF_FE and CMSG_NETIF_FE, which are the
 * same but for what a front end says of its rings.
 *
 *                       DRIVER_STATUS UP                INTERFACE_CONNECT, the back end took it
 *     CLOSED ─────────────────────────────▶ DISCONNECTED ──────────────────────────▶ CONNECTED
 *        ▲  DRIVER_STATUS DOWN,                 ▲  DRIVER_STATUS UP, INTERFACE_DISCONNECT      │
 *        └─ the back end refused                └──────────────────────────────────────────────┘
 *
 * Each step is told to the guest by INTERFACE_STATUS. One at a time is under way; what happened meanwhile is told as it is then, so a
 * guest that goes back and forth costs nothing but its own time. A driver that is down is told nothing.
 *
 * The guest's port is allocated when it is first needed and used again for the next connection, unless the guest closed it: so a
 * guest has one port for an interface, however often it connects.
 */
import {
  BLKIF_INTERFACE_STATUS_CHANGED,
  BLKIF_INTERFACE_STATUS_CLOSED,
  BLKIF_INTERFACE_STATUS_CONNECTED,
  BLKIF_INTERFACE_STATUS_DISCONNECTED,
  CMSG_BLKIF_FE_INTERFACE_STATUS,
} from '@port-xen/abi';
import type { BytesMemory, Struct } from '@port-xen/layout';
import type { ControlChannel } from './control-channel.ts';
import { MSG, messageOf } from './control-message.ts';

const CONTROLLER = 0;

/** What an interface says of its state, whatever its kind: the fields that INTERFACE_STATUS and INTERFACE_QUERY have in common. */
export interface InterfaceStatus {
  handle: number;
  status: number;
  evtchn: number;
  domid: number;
}

/** A device of a domain's, as far as it depends on its kind. */
export interface FrontEndKind {
  /** CMSG_BLKIF_FE or CMSG_NETIF_FE. */
  readonly type: number;
  /** The payload of INTERFACE_STATUS and INTERFACE_QUERY. */
  readonly status: Struct;
  /** What INTERFACE_STATUS says besides. */
  describe(memory: BytesMemory): void;
  /**
   * Has the back end map what the front end names and bind to the guest's port.
   * @param request the guest's INTERFACE_CONNECT
   * @returns why it cannot, if it cannot
   */
  connect(request: BytesMemory, port: number): string | undefined;
  /** Has the back end let go, if it holds anything. */
  disconnect(): void;
}

/** What a front end's walk is made of. */
export interface FrontEndParts {
  readonly kind: FrontEndKind;
  /** The number by which front end and controller know it, among those of its kind. */
  readonly handle: number;
  readonly channel: ControlChannel;
  /** A port of the guest's to which a back end can bind: `last` again, if that can be; undefined when the guest has none left. */
  readonly portFor: (last: number | undefined) => number | undefined;
  readonly tell: (sentence: string) => void;
}

/** One interface of a domain. */
export class FrontEnd {
  readonly #parts: FrontEndParts;
  #status = BLKIF_INTERFACE_STATUS_CLOSED;
  #up = false;
  #port: number | undefined;
  #telling = false;
  #due = false;
  #changed = false;

  constructor(parts: FrontEndParts) {
    this.#parts = parts;
  }

  /** The guest's port while it is connected. */
  get port(): number | undefined {
    return this.connected ? this.#port : undefined;
  }

  get connected(): boolean {
    return this.#status === BLKIF_INTERFACE_STATUS_CONNECTED;
  }

  /** What stands behind the interface has changed: a connected front end is to look. */
  changed(): void {
    this.#changed = true;
    this.#say();
  }

  /** The domain has no control interface any more. */
  release(): void {
    this.#up = false;
    this.#disconnect(BLKIF_INTERFACE_STATUS_CLOSED);
  }

  /** A driver that comes up begins anew, whatever was before: it may be one that was restored, or the next kernel's. */
  driver(up: boolean): void {
    this.#up = up;
    this.#disconnect(up ? BLKIF_INTERFACE_STATUS_DISCONNECTED : BLKIF_INTERFACE_STATUS_CLOSED);
  }

  /** INTERFACE_QUERY, answered in place. */
  query(request: BytesMemory): void {
    this.#fill(request, this.#status);
  }

  /** INTERFACE_CONNECT. */
  connect(request: BytesMemory): void {
    if (!this.#up || this.#status === BLKIF_INTERFACE_STATUS_CLOSED) return;
    const { kind, portFor, tell } = this.#parts;
    if (this.connected) kind.disconnect();
    this.#port = portFor(this.#port);
    const refused =
      this.#port === undefined ? 'it has no port left' : kind.connect(request, this.#port);
    if (refused === undefined) {
      tell(`connected, port ${this.#port}`);
      this.#become(BLKIF_INTERFACE_STATUS_CONNECTED);
      return;
    }
    tell(`not connected: ${refused}`);
    this.#become(BLKIF_INTERFACE_STATUS_CLOSED);
  }

  /** INTERFACE_DISCONNECT. */
  disconnect(): void {
    if (this.#status === BLKIF_INTERFACE_STATUS_CLOSED) return;
    this.#disconnect(BLKIF_INTERFACE_STATUS_DISCONNECTED);
  }

  #disconnect(status: number): void {
    if (this.connected) this.#parts.kind.disconnect();
    this.#become(status);
  }

  #become(status: number): void {
    this.#status = status;
    this.#changed = false;
    this.#due = true;
    this.#say();
  }

  /** Tells the guest of the state as it is, or that a connected interface has changed. */
  #say(): void {
    if (this.#telling || !this.#up) return;
    const { kind, channel, tell } = this.#parts;
    const onlyChanged = !this.#due && this.#changed && this.connected;
    if (!this.#due && !onlyChanged) return;
    this.#due = false;
    if (onlyChanged) this.#changed = false;
    this.#telling = true;
    const status = onlyChanged ? BLKIF_INTERFACE_STATUS_CHANGED : this.#status;
    const message = messageOf(kind.type, CMSG_BLKIF_FE_INTERFACE_STATUS, kind.status, (view) =>
      this.#fill(view.memory as BytesMemory, status),
    );
    const told = (): void => {
      this.#telling = false;
      this.#say();
    };
    const failed = (error: Error): void => {
      tell(`${error.message}: status ${status}`);
      told();
    };
    channel.send(message, { answered: told, failed });
  }

  #fill(memory: BytesMemory, status: number): void {
    const { kind } = this.#parts;
    const view = kind.status.at(memory, MSG) as unknown as InterfaceStatus;
    view.handle = this.#parts.handle;
    view.status = status;
    view.evtchn = status >= BLKIF_INTERFACE_STATUS_CONNECTED ? (this.#port ?? 0) : 0;
    view.domid = CONTROLLER;
    kind.describe(memory);
  }
}
