/*
 * The console of Xen 2: text goes in messages of up to sixty bytes (CMSG_CONSOLE).
 *
 *     outq → | head … in messages … sent | … tail |      a message is FREE → OUT → DONE, or LOST and sent again
 *     message → inq, and the answer says how many bytes there was room for
 *
 * A byte is the controller's when its message has been answered, not when it was sent: the rings of a domain that is restored are empty. A
 * message whose answer was never to come, because the domain left, is sent again as it was; and nothing leaves outq before what comes ahead of it.
 *
 * What is typed is answered at once while a reader may be expected to keep up. With more than half of inq full the answer waits, which is
 * how the controller is slowed down; a suspend does not wait, it answers.
 */
import { CMSG_CONSOLE, CMSG_CONSOLE_DATA, control_msg } from '@port-xen/abi';
import { type Cpu, kassert } from '@port-xen/kern';
import { array, i64, nest, struct, u32, u64, type View } from '@port-xen/layout';
import { ConsoleQueues, console_queues, INQ_SIZE, type XenconsKern } from './console-queues.ts';

/** Messages that the console has under way at most: a panic's sentence goes into them, and others find room in the ring. */
const NMESSAGE = 6;
/** Answers that can wait: as many as the controller can ask. */
const NHELD = 8;
const CHUNK: number = control_msg.size - control_msg.offset.msg;

const FOR_EVER = 0;

const FREE = 0;
const OUT = 1;
const DONE = 2;
const LOST = 3;

const message = struct('xencons_message', { xm_start: u64, xm_length: u32, xm_state: u32 });

export const xencons_ctrl_if_softc = struct('xencons_ctrl_if_softc', {
  queues: nest(console_queues),
  xc_suspended: u32,
  /** Requests that have been taken into inq and not been answered. */
  xc_nheld: u32,
  /** The free-running index up to which outq is in messages. */
  xc_sent: u64,
  xc_messages: array(message, NMESSAGE),
  xc_held: array(i64, NHELD),
  xc_msg: nest(control_msg),
});

/** What the console needs of the control interface. */
export interface ConsoleController {
  registerReceiver(type: number, func: number): boolean;
  /** @returns 0, or an errno when there is no room now */
  sendNoblock(msg: number, func: number, arg: number, timeout_ticks: number): number;
  sendResponse(msg: number): boolean;
  /** leaf() is told of room. */
  onSpace(func: number): void;
}

export class XenconsCtrlIf extends ConsoleQueues {
  readonly ctrlIf: ConsoleController;

  constructor(cpu: Cpu, data: number, kern: XenconsKern, ctrlIf: ConsoleController) {
    super(cpu, data, kern);
    this.ctrlIf = ctrlIf;
  }

  get softc(): View<typeof xencons_ctrl_if_softc> {
    return xencons_ctrl_if_softc.at(this.cpu.memory, this.data);
  }

  /** Once the control interface can send. */
  attach(): void {
    this.listen();
    this.kern.msgbuf.setConsole(this.cpu.sym('xencons_putmsg'));
  }

  /** Takes what is typed, and hears of room. */
  listen(): void {
    const free = this.ctrlIf.registerReceiver(CMSG_CONSOLE, this.cpu.sym('xencons_rx'));
    kassert(free, 'xencons: expected nobody to receive console messages yet');
    this.ctrlIf.onSpace(this.cpu.sym('xencons_space'));
  }

  /** Nothing more is sent, and what was typed is answered: the controller need not send it again. */
  suspend(): void {
    this.softc.xc_suspended = 1;
    this.#answerHeld();
  }

  resume(): void {
    this.softc.xc_suspended = 0;
    this.start();
  }

  /** From outq into messages; those that were lost first, in their order. */
  start(): void {
    const sc = this.softc;
    if (sc.xc_suspended !== 0) return;
    for (let xm = this.#first(LOST); xm !== undefined; xm = this.#first(LOST)) {
      if (!this.#send(xm)) return;
    }
    const { outq_tail } = this.queues;
    while (sc.xc_sent < outq_tail) {
      const xm = this.#first(FREE);
      if (xm === undefined) return;
      xm.xm_start = sc.xc_sent;
      xm.xm_length = Math.min(CHUNK, outq_tail - sc.xc_sent);
      if (!this.#send(xm)) return;
      sc.xc_sent += xm.xm_length;
    }
  }

  /** The message in a state that has the oldest text. */
  #first(state: number): View<typeof message> | undefined {
    const { xc_messages } = this.softc;
    let first: View<typeof message> | undefined;
    for (let i = 0; i < NMESSAGE; i++) {
      const xm = xc_messages.at(i);
      if (xm.xm_state !== state) continue;
      if (first === undefined || xm.xm_start < first.xm_start) first = xm;
    }
    return first;
  }

  /** @returns false when there is no room now: {@link start} is called when there is */
  #send(xm: View<typeof message>): boolean {
    const { xc_msg } = this.softc;
    xc_msg.type = CMSG_CONSOLE;
    xc_msg.subtype = CMSG_CONSOLE_DATA;
    xc_msg.length = xm.xm_length;
    const to = xc_msg.address + control_msg.offset.msg;
    for (let i = 0; i < xm.xm_length; i++) {
      this.cpu.memory.st8(to + i, this.outqByte(xm.xm_start + i));
    }
    const told = this.cpu.sym('xencons_told');
    // However long it takes: what is in the ring may yet be shown.
    if (this.ctrlIf.sendNoblock(xc_msg.address, told, xm.address, FOR_EVER) !== 0) return false;
    xm.xm_state = OUT;
    return true;
  }

  /** A message was answered, or will not be. @param address of the message's entry @param error 0 when it was answered */
  told(address: number, error: number): void {
    message.at(this.cpu.memory, address).xm_state = error === 0 ? DONE : LOST;
    for (
      let xm = this.#first(DONE);
      xm?.xm_start === this.queues.outq_head;
      xm = this.#first(DONE)
    ) {
      xm.xm_state = FREE;
      this.sent(xm.xm_length);
    }
    this.start();
  }

  /** Whether everything queued has been answered. */
  get drained(): boolean {
    const { outq_head, outq_tail } = this.queues;
    return outq_head === outq_tail;
  }

  /** What was typed. @param address of the request */
  receive(address: number): void {
    const request = control_msg.at(this.cpu.memory, address);
    const count =
      request.subtype === CMSG_CONSOLE_DATA ? Math.min(request.length, this.inqRoom) : 0;
    const from = address + control_msg.offset.msg;
    for (let i = 0; i < count; i++) this.putInq(i, this.cpu.memory.ld8(from + i));
    request.length = count;
    if (count > 0) this.received(count);
    const sc = this.softc;
    if (sc.xc_suspended !== 0 || this.inqRoom > INQ_SIZE / 2 || sc.xc_nheld === NHELD) {
      this.ctrlIf.sendResponse(address);
    } else sc.xc_held.set(sc.xc_nheld++, address);
  }

  protected more(): void {
    if (this.inqRoom > INQ_SIZE / 2) this.#answerHeld();
  }

  #answerHeld(): void {
    const sc = this.softc;
    for (let i = 0; i < sc.xc_nheld; i++) this.ctrlIf.sendResponse(sc.xc_held.get(i));
    sc.xc_nheld = 0;
  }
}
