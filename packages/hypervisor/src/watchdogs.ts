/*
 * SCHEDOP_watchdog (domain_watchdog, xen/common/sched/core.c): two timers a domain, each of which ends the domain
 * (SHUTDOWN_watchdog) unless it is set anew in time.
 */
import { SHUTDOWN_watchdog, XEN_EINVAL, XEN_ENOSPC } from '@port-xen/abi';
import type { Domain } from './domain.ts';

const NR_DOMAIN_WATCHDOG_TIMERS = 2;
const FREE = -1;

export class Watchdogs {
  readonly #domain: Domain;
  /** The event of each; FREE for one that is not in use. */
  readonly #timers: number[] = new Array(NR_DOMAIN_WATCHDOG_TIMERS).fill(FREE);

  constructor(domain: Domain) {
    this.#domain = domain;
  }

  /**
   * @param id 0 takes a free one @param timeout_s 0 gives one back
   * @returns the id of one that was taken, 0, -EINVAL: no such id, or not in use, -ENOSPC: none is free
   */
  set(id: number, timeout_s: number): number {
    if (id > NR_DOMAIN_WATCHDOG_TIMERS) return -XEN_EINVAL;
    if (id === 0) {
      const free = this.#timers.indexOf(FREE);
      if (free < 0) return -XEN_ENOSPC;
      this.#arm(free, timeout_s);
      return free + 1;
    }
    if (this.#timers[id - 1] === FREE) return -XEN_EINVAL;
    this.#domain.xen.sim.cancel(this.#timers[id - 1] as number);
    if (timeout_s === 0) this.#timers[id - 1] = FREE;
    else this.#arm(id - 1, timeout_s);
    return 0;
  }

  /** The domain dies. */
  stop(): void {
    for (const timer of this.#timers) if (timer !== FREE) this.#domain.xen.sim.cancel(timer);
  }

  #arm(i: number, timeout_s: number): void {
    const { sim, clock } = this.#domain.xen;
    const at_ns = clock.worldTime_ns(clock.now_ns() + timeout_s * 1e9);
    this.#timers[i] = sim.at(at_ns, () => {
      if (!this.#domain.dying) this.#domain.shutdown(SHUTDOWN_watchdog);
    });
  }
}
