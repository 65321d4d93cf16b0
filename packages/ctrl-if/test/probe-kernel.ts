/** What the probe keeps, and what its text works on. */
import { CONTROL_IF_OFFSET, CONTROL_RING_SIZE, control_msg } from '@port-xen/abi';
import type { Evtchn } from '@port-xen/evtchn';
import { array, BytesMemory, i32, i64, nest, struct, u32, type View } from '@port-xen/layout';
import { XenconsCtrlIf } from '@port-xen/xencons';
import type { TestBase } from '@tooling/guest-testbed';
import { type CtrlIf, CtrlIfShutdown } from '../src/index.ts';

/** Types that the probe receives: answered at once, by the lwp, and when the test says so. */
export const TYPE_ECHO = 100;
export const TYPE_SLOW = 101;
export const TYPE_HELD = 102;
/** Who is registered for TYPE_STUCK takes it in the lwp, and answers when the test says so. */
export const TYPE_STUCK = 103;

/** How often an owner can be told, by the argument that it gave. */
export const NOWNER = 64;
const NHELD = 32;

export const probe_data = struct('probe_data', {
  port: u32,
  nheld: u32,
  /** Requests that their handlers have and have not answered. */
  held: array(i64, NHELD),
  /** By owner: how often it was told of a response, of an error, which one, and the first byte of the response. */
  answered: array(u32, NOWNER),
  failed: array(u32, NOWNER),
  error: array(i32, NOWNER),
  byte: array(u32, NOWNER),
  /** Handlers that have run, by type's last digit. */
  handled: array(u32, 10),
  spaces: u32,
  go: u32,
  /** What sending came to between the suspend and the resume. */
  late: i32,
  /** Of probe_cycles: answers that were the question's, and errors. */
  cycles_right: u32,
  cycles_failed: u32,
  msg: nest(control_msg),
});

/** What probe_state answers. */
export const probe_state = struct('probe_state', {
  probe: nest(probe_data),
  unsolicited: u32,
  refused: u32,
  /** Requests that have not been answered, and ids that are taken. */
  unanswered: u32,
  ids: u32,
});

/** What the n-th numbered piece of text is: `<17>`. */
export const piece = (n: number): string => `<${n}>`;

/** Addresses of what a probe is made of. */
export interface ProbePlaces {
  readonly data: number;
  readonly page: number;
  readonly ctrlIf: number;
  readonly console: number;
  readonly shutdown: number;
}

export class Probe {
  readonly base: TestBase;
  readonly data: number;
  readonly page: number;
  readonly evtchn: Evtchn;
  readonly ctrlIf: CtrlIf;
  readonly console: XenconsCtrlIf;
  readonly shutdown: CtrlIfShutdown;

  constructor(base: TestBase, places: ProbePlaces, evtchn: Evtchn, make: typeof CtrlIf) {
    this.base = base;
    this.data = places.data;
    this.page = places.page;
    this.evtchn = evtchn;
    const rings = places.page + CONTROL_IF_OFFSET;
    this.ctrlIf = new make(base.cpu, places.ctrlIf, base.kern, evtchn, rings, this);
    this.console = new XenconsCtrlIf(base.cpu, places.console, base.kern, this.ctrlIf);
    this.shutdown = new CtrlIfShutdown(places.shutdown, this.ctrlIf, base.kern.msgbuf);
  }

  get d(): View<typeof probe_data> {
    return probe_data.at(this.base.cpu.memory, this.data);
  }

  get domainControllerEvtchn(): number {
    return this.d.port;
  }

  /** What an owner is told. */
  told(owner: number, msg: number, error: number): void {
    const { d } = this;
    if (error === 0) d.answered.set(owner, d.answered.get(owner) + 1);
    else d.failed.set(owner, d.failed.get(owner) + 1);
    d.error.set(owner, error);
    if (error === 0) d.byte.set(owner, this.ctrlIf.msgAt(msg).msg[0] ?? 0);
  }

  /** A handler runs. */
  ran(msg: number): void {
    const { handled } = this.d;
    const at = this.ctrlIf.msgAt(msg).type % 10;
    handled.set(at, handled.get(at) + 1);
  }

  hold(msg: number): void {
    const { d } = this;
    d.held.set(d.nheld % NHELD, msg);
    d.nheld++;
  }

  /** What the test wants to know of all this. */
  state(): Uint8Array {
    const { d, ctrlIf } = this;
    const out = new Uint8Array(probe_state.size);
    const s = probe_state.at(new BytesMemory(out), 0);
    this.base.cpu.memory.read(d.address, out.subarray(0, probe_data.size));
    const own = ctrlIf.d;
    s.unsolicited = own.ctrl_if_unsolicited;
    s.refused = own.ctrl_if_refused;
    s.unanswered = ctrlIf.unanswered;
    for (let id = 0; id < CONTROL_RING_SIZE; id++) {
      s.ids += own.ctrl_if_txmsg_id_mapping.at(id).tm_used;
    }
    return out;
  }

  compose(type: number, subtype: number, length: number, first: number): number {
    const { msg } = this.d;
    msg.type = type;
    msg.subtype = subtype;
    msg.length = length;
    const payload = new Uint8Array(60);
    payload[0] = first;
    msg.msg = payload;
    return msg.address;
  }
}
