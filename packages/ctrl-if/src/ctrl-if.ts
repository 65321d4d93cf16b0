/*
 * The control interface of Xen 2 (sys/arch/xen/xen/ctrl_if.c): all that a domain and its controller have to say to each other goes
 * through two rings of eight messages in shared_info's page and one event channel.
 *
 * What NetBSD never had is here: suspend and resume. The page of a restored domain starts with empty rings, so at the suspend each message is
 * brought to its end, wherever it stands:
 *
 *     unsent                    stays with its sender, and goes through the next channel
 *     in the ring               waits until the controller has taken and answered it
 *     taken, not answered       likewise; after five seconds it is left behind, and its owner is told ECONNRESET after the restore
 *     deferred, being handled   waits until it has been answered; after five seconds it is answered with length 0 for its handler, and what
 *                               the handler says later goes nowhere
 */
import type { Evtchn } from '@port-xen/evtchn';
import { type Cpu, IPL_SOFTSERIAL } from '@port-xen/kern';
import { CtrlIfRx } from './ctrl-if-rx.ts';
import type { CtrlIfKern } from './ctrl-if-tx.ts';

/** Where start of day left what the control interface needs. */
export interface CtrlIfStart {
  /** start_info's port of the controller, at boot and after a restore. */
  readonly domainControllerEvtchn: number;
}

export class CtrlIf extends CtrlIfRx {
  readonly start: CtrlIfStart;

  /** @param controlIf address of control_if: shared_info's, and CONTROL_IF_OFFSET */
  constructor(
    cpu: Cpu,
    data: number,
    kern: CtrlIfKern,
    evtchn: Evtchn,
    controlIf: number,
    start: CtrlIfStart,
  ) {
    super(cpu, data, kern, evtchn, controlIf);
    this.start = start;
  }

  /** ctrl_if_early_init: messages can be sent, and are polled for. */
  earlyInit(): void {
    this.d.ctrl_if_evtchn = this.start.domainControllerEvtchn;
  }

  /** ctrl_if_init: the channel, and an lwp for handlers that may wait. */
  init(): void {
    if (this.d.ctrl_if_evtchn === 0) this.earlyInit();
    this.kern.sched.create('ctrlif', this.cpu.sym('ctrl_if_thread'), 0);
    this.resynchronise();
    this.connect();
  }

  /** The channel's event. */
  handler(): void {
    this.reap();
    this.receive();
    this.wakeDrain();
  }

  /** ctrl_if_console_poll: looks at both rings, event or not. */
  poll(): void {
    this.handler();
  }

  // Suspend and resume.

  /** Whether the controller has answered all that it was sent. */
  get drainedSent(): boolean {
    return this.transmitterEmpty;
  }

  /** Lets go of the channel. From here on messages stay with their senders. */
  disconnect(): void {
    const { d } = this;
    d.ctrl_if_suspended = 1;
    this.evtchn.mask(d.ctrl_if_evtchn);
    this.evtchn.removeHandler(d.ctrl_if_evtchn);
    d.ctrl_if_evtchn = 0;
  }

  /** There is a new ring: both sides start where it stands. */
  resynchronise(): void {
    this.discardResponses();
    this.d.ctrl_if_rx_req_cons = this.ring.rx_resp_prod;
  }

  /** Takes the channel that start_info names. */
  connect(): void {
    const { d } = this;
    d.ctrl_if_evtchn = this.start.domainControllerEvtchn;
    const handler = this.cpu.sym('ctrl_if_interrupt');
    this.evtchn.setHandler(d.ctrl_if_evtchn, handler, 0, IPL_SOFTSERIAL, 'ctrl_if');
    this.evtchn.enable(d.ctrl_if_evtchn);
    d.ctrl_if_suspended = 0;
  }

  /** What came meanwhile is looked at, and who waited for room hears that there is some. */
  release(): void {
    this.handler();
  }
}
