/*
 * CMSG_SHUTDOWN (sys/arch/xen/xen/hypervisor.c): what the controller wants of the whole domain. Each request is answered at once, before
 * anything comes of it: a suspend's answer could not be given later. Then it is noted for whoever does it.
 */
import {
  CMSG_SHUTDOWN,
  CMSG_SHUTDOWN_POWEROFF,
  CMSG_SHUTDOWN_REBOOT,
  CMSG_SHUTDOWN_SUSPEND,
  CMSG_SHUTDOWN_SYSRQ,
  shutdown_sysrq,
} from '@port-xen/abi';
import { kassert, leaf, type Msgbuf, type Text } from '@port-xen/kern';
import { array, struct, u8, u32, type View } from '@port-xen/layout';
import type { CtrlIf } from './ctrl-if.ts';

const NREQUEST = 4;
/** A request is stored as its place here; 0 is none. */
const REQUESTS = ['', 'poweroff', 'reboot', 'suspend'] as const;
const BY_SUBTYPE: Readonly<Record<number, number>> = {
  [CMSG_SHUTDOWN_POWEROFF]: 1,
  [CMSG_SHUTDOWN_REBOOT]: 2,
  [CMSG_SHUTDOWN_SUSPEND]: 3,
};

export const ctrl_if_shutdown_data = struct('ctrl_if_shutdown_data', {
  nrequests: u32,
  requests: array(u8, NREQUEST),
});

export class CtrlIfShutdown {
  readonly data: number;
  readonly ctrlIf: CtrlIf;
  readonly msgbuf: Msgbuf;

  constructor(data: number, ctrlIf: CtrlIf, msgbuf: Msgbuf) {
    this.data = data;
    this.ctrlIf = ctrlIf;
    this.msgbuf = msgbuf;
  }

  get #d(): View<typeof ctrl_if_shutdown_data> {
    return ctrl_if_shutdown_data.at(this.ctrlIf.cpu.memory, this.data);
  }

  /** Once, at boot: requests come here. */
  attach(): void {
    const { ctrlIf } = this;
    const free = ctrlIf.registerReceiver(CMSG_SHUTDOWN, ctrlIf.cpu.sym('ctrl_if_shutdown'));
    kassert(free, 'ctrl_if: expected nobody to receive shutdown requests yet');
  }

  /** What whoever serves the requests sleeps on. */
  get wchan(): number {
    return this.data;
  }

  /** A request has come. @param address of the message */
  receive(address: number): void {
    const { ctrlIf } = this;
    const { subtype, length, msg } = ctrlIf.msgAt(address);
    const code = BY_SUBTYPE[subtype];
    if (code !== undefined) this.#note(code);
    else if (subtype === CMSG_SHUTDOWN_SYSRQ && length === shutdown_sysrq.size) {
      this.msgbuf.printf(`ctrlif0: sysrq ${JSON.stringify(String.fromCharCode(msg[0] ?? 0))}\n`);
    } else {
      this.msgbuf.printf(`ctrlif0: ignoring shutdown request ${subtype}\n`);
      ctrlIf.refuse(address);
      return;
    }
    ctrlIf.sendResponse(address);
  }

  /** A request that waits already is not noted twice. */
  #note(code: number): void {
    const d = this.#d;
    this.msgbuf.printf(`ctrlif0: asked to ${REQUESTS[code]}\n`);
    for (let i = 0; i < d.nrequests; i++) if (d.requests.get(i) === code) return;
    d.requests.set(d.nrequests++, code);
    this.ctrlIf.kern.sched.wakeup(this.wchan);
  }

  /** Takes the oldest request; '' when there is none. */
  take(): (typeof REQUESTS)[number] {
    const d = this.#d;
    if (d.nrequests === 0) return '';
    const code = d.requests.get(0);
    d.nrequests--;
    for (let i = 0; i < d.nrequests; i++) d.requests.set(i, d.requests.get(i + 1));
    return REQUESTS[code] ?? '';
  }
}

export const ctrlIfShutdownText: Text<CtrlIfShutdown> = {
  ctrl_if_shutdown: leaf((m, msg) => m.receive(msg)),
};
