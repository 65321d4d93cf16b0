import type { Hypervisor } from '@port-xen/hypervisor';
import type { SuspendUnderWay } from './control-path.ts';
import type { DomainController } from './domain-controller.ts';
import {
  outcomeOf,
  SUSPEND_PATIENCE_NS,
  suspendDestroyed,
  suspendTimedOut,
} from './suspend-outcome.ts';

/** CMSG_SHUTDOWN_SUSPEND: the guest answers, and then it suspends. A message cannot be taken back, so it may come late. */
export class SuspendMessage implements SuspendUnderWay {
  readonly acknowledged = true;
  readonly #hv: Hypervisor;
  readonly #domid: number;
  readonly #done: (error: Error | null) => void;
  #over = false;
  #timer = 0;

  constructor(
    hv: Hypervisor,
    controller: DomainController,
    domid: number,
    done: (error: Error | null) => void,
  ) {
    this.#hv = hv;
    this.#domid = domid;
    this.#done = done;
    this.#tell('issuing PV suspend request via the controller interface');
    controller.shutdown(domid, 'suspend', (error) => {
      if (this.#over) return;
      if (error !== null) this.#finish(error);
      else this.#answered();
    });
  }

  #answered(): void {
    this.#tell('guest acknowledged suspend request; wait for the guest to suspend');
    this.#timer = this.#hv.sim.after(SUSPEND_PATIENCE_NS, () => this.#finish(suspendTimedOut()));
  }

  domainShutDown(reason: number): void {
    if (this.#over) return;
    const outcome = outcomeOf(reason);
    if (outcome === null) this.#tell('guest has suspended');
    this.#finish(outcome);
  }

  domainGone(): void {
    if (this.#over) return;
    this.#finish(suspendDestroyed());
  }

  #finish(error: Error | null): void {
    this.#over = true;
    this.#hv.sim.cancel(this.#timer);
    this.#done(error);
  }

  #tell(text: string): void {
    this.#hv.sim.tell('toolstack', `domain ${this.#domid}: ${text}`);
  }
}
