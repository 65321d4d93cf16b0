/*
 * Asks a running domain to suspend itself, and waits (libxl_dom_suspend.c).
 *
 *     request  by its suspend event channel, or else control/shutdown = "suspend"
 *     ack      the guest changes control/shutdown, within 60 s; when that time is over the request is taken back in a
 *              transaction, unless the guest has acknowledged it in that very moment
 *     suspend  the domain shuts down with reason suspend, within another 60 s
 */
import { type Hypervisor, XenError } from '@port-xen/hypervisor';
import type { StoreClient } from '@port-xen/xenstore';
import { domainPath } from './store-paths.ts';
import {
  outcomeOf,
  SUSPEND_PATIENCE_NS,
  suspendDestroyed,
  suspendTimedOut,
} from './suspend-outcome.ts';
import { ToolstackError } from './toolstack-error.ts';

const REQUEST = 'suspend';

/** One request, from its start until `done` has been called, once. */
export class SuspendRequest {
  readonly #hv: Hypervisor;
  readonly #store: StoreClient;
  readonly #domid: number;
  readonly #token: string;
  readonly #done: (error: Error | null) => void;
  #state: 'ack' | 'suspend' | 'over' = 'ack';
  #timer = 0;
  #port: number | undefined;
  #acknowledged = false;

  /**
   * Makes the request.
   * @param token of the watch on control/shutdown; its events mean {@link nodeChanged}
   * @param done called from an event of the world, never from here
   */
  constructor(
    hv: Hypervisor,
    store: StoreClient,
    domid: number,
    token: string,
    done: (error: Error | null) => void,
  ) {
    this.#hv = hv;
    this.#store = store;
    this.#domid = domid;
    this.#token = token;
    this.#done = done;
    if (this.#requestByEvent()) {
      this.#tell('issuing PV suspend request via event channel');
      this.#awaitSuspend();
      return;
    }
    this.#tell('issuing PV suspend request via XenBus control node');
    store.transaction((tx) => store.write(this.#node, REQUEST, tx));
    store.watch(this.#node, token);
    this.#timer = hv.sim.after(SUSPEND_PATIENCE_NS, () => this.#ackTimedOut());
  }

  /** The guest took the request up, so it may suspend however late it is. */
  get acknowledged(): boolean {
    return this.#acknowledged;
  }

  /** Something happened to control/shutdown. */
  nodeChanged(): void {
    if (this.#state === 'ack' && this.#store.tryRead(this.#node) !== REQUEST) this.#ackCame();
  }

  /** The domain shut down, for whatever reason. */
  domainShutDown(reason: number): void {
    if (this.#state === 'over') return;
    // Nobody is to find the request when this domain, or another one of its number, runs on.
    this.#withdraw();
    const outcome = outcomeOf(reason);
    if (outcome === null) this.#tell('guest has suspended');
    this.#finish(outcome);
  }

  /** The domain is no more. */
  domainGone(): void {
    if (this.#state === 'over') return;
    this.#finish(suspendDestroyed());
  }

  get #node(): string {
    return `${domainPath(this.#domid)}/control/shutdown`;
  }

  #requestByEvent(): boolean {
    const text = this.#store.tryRead(`${domainPath(this.#domid)}/device/suspend/event-channel`);
    if (text === undefined || !/^[1-9]\d{0,8}$/.test(text)) return false;
    try {
      this.#port = this.#hv.dom0.bindInterdomain(this.#domid, Number(text), () => {});
    } catch (error) {
      if (error instanceof XenError) return false;
      throw error;
    }
    this.#hv.dom0.notify(this.#port);
    return true;
  }

  #ackCame(): void {
    this.#tell('guest acknowledged suspend request');
    this.#hv.sim.cancel(this.#timer);
    this.#store.unwatch(this.#node, this.#token);
    this.#awaitSuspend();
  }

  #awaitSuspend(): void {
    this.#tell('wait for the guest to suspend');
    this.#state = 'suspend';
    this.#acknowledged = true;
    this.#timer = this.#hv.sim.after(SUSPEND_PATIENCE_NS, () => this.#finish(suspendTimedOut()));
  }

  #ackTimedOut(): void {
    if (this.#withdraw()) {
      this.#finish(new ToolstackError("guest didn't acknowledge suspend, cancelling request"));
    } else this.#ackCame();
  }

  /** Takes the request back, if the guest has not taken it up. @returns whether it was there to be taken back */
  #withdraw(): boolean {
    return this.#store.transaction((tx) => {
      const pending = this.#store.tryRead(this.#node, tx) === REQUEST;
      if (pending) this.#store.write(this.#node, '', tx);
      return pending;
    });
  }

  #finish(error: Error | null): void {
    const watching = this.#state === 'ack';
    this.#state = 'over';
    this.#hv.sim.cancel(this.#timer);
    if (watching && this.#port === undefined) this.#store.unwatch(this.#node, this.#token);
    if (this.#port !== undefined) this.#hv.dom0.close(this.#port);
    this.#done(error);
  }

  #tell(text: string): void {
    this.#hv.sim.tell('toolstack', `domain ${this.#domid}: ${text}`);
  }
}
