/*
 * What control/shutdown asked for, until somebody does it (machdep's sysmon lwp).
 */
import type { Cpu, Sched } from '@port-xen/kern';
import type { View } from '@port-xen/layout';
import { NREQUEST, xenbus_data } from './xenbus-data.ts';

/** A request is stored as its place here; 0 is none. */
const REQUESTS = ['', 'poweroff', 'reboot', 'suspend'] as const;
export type ShutdownRequest = (typeof REQUESTS)[number];

export class ShutdownRequests {
  readonly cpu: Cpu;
  readonly data: number;
  readonly sched: Sched;

  constructor(cpu: Cpu, data: number, sched: Sched) {
    this.cpu = cpu;
    this.data = data;
    this.sched = sched;
  }

  get #d(): View<typeof xenbus_data> {
    return xenbus_data.at(this.cpu.memory, this.data);
  }

  /** What whoever serves the requests sleeps on. */
  get wchan(): number {
    return this.data + xenbus_data.offset.requests;
  }

  /** Notes a request. @returns false for one that is none, or when too many wait */
  note(text: string): boolean {
    const d = this.#d;
    const code = REQUESTS.findIndex((name) => name === (text === 'halt' ? 'poweroff' : text));
    if (code <= 0 || d.nrequests === NREQUEST) return false;
    d.requests.set(d.nrequests++, code);
    this.sched.wakeup(this.wchan);
    return true;
  }

  /** Takes the oldest request; '' when there is none. */
  take(): ShutdownRequest {
    const d = this.#d;
    if (d.nrequests === 0) return '';
    const code = d.requests.get(0);
    d.nrequests--;
    for (let i = 0; i < d.nrequests; i++) d.requests.set(i, d.requests.get(i + 1));
    return REQUESTS[code] ?? '';
  }

  /** Whether a suspend waits to be done. */
  get suspendWaits(): boolean {
    const d = this.#d;
    for (let i = 0; i < d.nrequests; i++) {
      if (REQUESTS[d.requests.get(i)] === 'suspend') return true;
    }
    return false;
  }
}
