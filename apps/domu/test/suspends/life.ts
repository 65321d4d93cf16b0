/*
 * One life of a guest under load: booted, suspended again and again, each time at some event of the world and with some
 * outcome, to its own end. After each outcome the books are looked at: Xen's, xenstored's, the back ends'.
 *
 *     ok                   saved, and restored on the next host
 *     fast, slow           saved, and resumed where it was, or as if restored
 *     save fails           the sink throws at some write; resumed in either way
 *     refuse               a device says no
 *     never acknowledges   the kernel overlooks the request
 *     dawdles              a device takes longer over its suspend than anybody waits; then it suspends
 *
 * Whoever waits sixty seconds for the guest has it paused meanwhile, so that its load is not over before. Now and then a disk does
 * what it is asked and does not say so, before a suspend after which it is asked again.
 */
import { CMSG_SHUTDOWN } from '@port-xen/abi';
import { MemoryImage } from '@port-xen/migration-stream';
import { Random } from '@port-xen/sim';
import { xbd_data } from '@port-xen/xbd';
import { createHost, type TestHost } from '@tooling/testbed';
import { slotPlan } from '../../src/host-options.ts';
import type { HuntedKernel } from './hunted-kernel.ts';
import { KernelMemory } from './kernel-memory.ts';
import { drawLoad, type Load } from './load.ts';
import { Nerves } from './nerves.ts';

export const OUTCOMES = [
  'ok',
  'fast',
  'slow',
  'save fails',
  'refuse',
  'never acknowledges',
  'dawdles',
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** What is known of one suspend. */
export interface Pair {
  readonly outcome: Outcome;
  /** The event of the world at which it was asked for. */
  readonly event: number;
  /** Which device refused or dawdled, or which write failed. */
  readonly where: string;
  /** Whether the guest was whole when it was asked: all back ends connected. */
  readonly settled: boolean;
}

const MEMORY_MIB = 8;
const HOST_MIB = 16;
const MINUTE_NS = 60e9;
const SECOND_NS = 1e9;
/** Events from the end of one suspend to the next one's beginning, at most. */
const GAP_MAX = 160;
/** One in so many suspends that could finds its disks silent. */
const SILENCE = 4;
/** What an xbd has when it serves. */
const XBD_CONNECTED = 1;
const RESUMED = 'domain resumed\n';
const LATE = 'guest did not suspend, timed out';
const REFUSED = 'suspend: refused, going on\n';
const ENDED = /^guest we were suspending has shut down with unexpected reason code 0$/;

type How = 'cooperative' | 'reset';

/** Stops a sink: the disk is full. */
class DiskFull extends Error {
  constructor(write: number) {
    super(`No space left on device at write ${write}`);
  }
}

export class Life {
  readonly seed: number;
  readonly pairs: Pair[] = [];
  /** What is wrong, a sentence each. */
  readonly faults: string[] = [];
  host: TestHost;
  domid: number;
  readonly #kernel: HuntedKernel;
  readonly #random: Random;
  readonly #load: Load;
  #text = '';
  #over = false;
  #empty: unknown;
  #held: unknown;
  /** Writes that a whole save file takes. */
  #writes = 1;
  /** How often the guest came back from its suspend hypercall, or will yet. */
  #returns = 0;

  constructor(kernel: HuntedKernel, seed: number) {
    this.seed = seed;
    this.#kernel = kernel;
    this.#random = new Random(seed, 'life');
    this.#load = drawLoad(this.#random);
    this.host = this.#newHost(this.#random.below(slotPlan(kernel.interface).slots));
    const { elf, engine } = kernel;
    const { program, disks } = this.#load;
    const cmdline = `init=${program}`;
    this.domid = this.host.bootKernel({ elf, engine, memoryMib: MEMORY_MIB, disks, cmdline });
    this.host.runUntil('the disks', () => this.#settled);
    this.#held = this.#holdings();
  }

  /** Whether the guest has ended. */
  get over(): boolean {
    return this.#over;
  }

  #newHost(slot: number): TestHost {
    const { interface: xen } = this.#kernel;
    const host = createHost({
      mib: HOST_MIB,
      slot: slot % slotPlan(xen).slots,
      interface: xen,
      seed: this.#random.next(),
    });
    this.#empty = host.counts();
    return host;
  }

  /** Runs on for a while and has the guest asked to suspend, with this outcome. */
  suspend(outcome: Outcome): void {
    this.#run(this.#random.below(GAP_MAX));
    if (this.#gone) {
      this.#over = true;
      return;
    }
    const settled = this.#settled;
    if (settled) this.#compare('before a suspend', this.#held, this.#holdings());
    const event = this.host.sim.events;
    const silent = (outcome === 'ok' || outcome === 'slow') && this.#random.below(SILENCE) === 0;
    const { faults } = this.host.sim;
    if (silent) faults.arm('xbdback.answer', () => true);
    const where = this.#perform(outcome) || (silent ? 'unanswered requests' : '');
    faults.disarm('xbdback.answer');
    if (this.#over) return;
    this.pairs.push({ outcome, event, where, settled });
    this.#check(outcome);
  }

  /** Runs the guest to its end, and looks whether it did what it was to do. */
  finish(): void {
    const { host } = this;
    if (!this.#gone) host.runUntil('the guest to end', () => this.#gone, 600 * SECOND_NS);
    host.runFor(10e6);
    this.#over = true;
    this.#text += host.consoleText(this.domid);
    this.faults.push(...this.#load.judge(this.#text));
    this.#compare('after the end', this.#empty, host.counts());
    this.faults.push(...host.audit());
  }

  /** It has powered off. */
  get #gone(): boolean {
    const domain = this.host.hv.domains.get(this.domid);
    return domain === undefined || domain.dying || (domain.isShutDown && domain.shutdownCode === 0);
  }

  /** Runs so many events, or to the guest's end. */
  #run(events: number): void {
    const { sim } = this.host;
    const end = sim.events + events;
    sim.runUntil(() => sim.events >= end || this.#gone);
  }

  /** The guest goes on, and every back end and every front end is connected. */
  get #settled(): boolean {
    if (this.#told(RESUMED) < this.#returns) return false;
    if (this.#kernel.interface === 'xen-2.0') return this.#disksServe;
    const { store } = this.host;
    return [51712, 51728].every(
      (devid) =>
        store.tryRead(`/local/domain/0/backend/vbd/${this.domid}/${devid}/state`) === '4' &&
        store.tryRead(`/local/domain/${this.domid}/device/vbd/${devid}/state`) === '4',
    );
  }

  /** The guest's own drivers say so: over the controller interface nobody else knows of each disk. */
  get #disksServe(): boolean {
    const memory = new KernelMemory(this.host, this.domid);
    const { softcs } = xbd_data.at(memory, this.#kernel.dataOf('xbd'));
    return [0, 1].every((unit) => softcs.at(unit).sc_backend_status === XBD_CONNECTED);
  }

  /** What is held on the guest's host, but for what comes and goes with a request. */
  #holdings(): unknown {
    const { frames, grants: _, xenstore, ...rest } = this.host.counts();
    const { transactions: __, ...store } = xenstore;
    return { owned: frames.owned, ...rest, ...store };
  }

  #compare(when: string, expected: unknown, found: unknown): void {
    const [a, b] = [JSON.stringify(expected), JSON.stringify(found)];
    if (a !== b) this.faults.push(`expected the host to hold ${a} ${when}, found ${b}`);
  }

  #check(outcome: Outcome): void {
    this.faults.push(...this.host.hv.accounting(), ...this.host.storeAudit.findings());
    const rows = this.host.xl.list().map(({ domid, state }) => `${domid} ${state.slice(2)}`);
    const expected = `${this.domid} ----`;
    if (rows.join() !== expected) {
      this.faults.push(`expected ${expected} after ${outcome}, found ${rows.join()}`);
    }
  }

  /** Asks for a save and lets `meanwhile` happen. @returns the error with which it ended */
  #save(
    options: { readonly checkpoint?: boolean; readonly resume?: How },
    write: (chunks: readonly Uint8Array[]) => void,
    meanwhile = (): void => {},
  ): string {
    let result: Error | null | undefined;
    this.host.xl.save(this.domid, { write }, options, (error) => {
      result = error;
    });
    meanwhile();
    this.host.runUntil('the save to end', () => result !== undefined, 4 * MINUTE_NS);
    const message = result?.message ?? '';
    if (!ENDED.test(message)) return message;
    this.#over = true;
    return '';
  }

  #expect(expected: string, found: string): void {
    if (expected !== found && !this.#over) {
      this.faults.push(`expected the save to end with '${expected}', found '${found}'`);
    }
  }

  #how(): How {
    return this.#random.below(2) === 0 ? 'cooperative' : 'reset';
  }

  /** @returns where it went wrong, if it was to go wrong somewhere */
  #perform(outcome: Outcome): string {
    switch (outcome) {
      case 'ok':
        return this.#move();
      case 'fast':
        return this.#checkpoint('cooperative');
      case 'slow':
        return this.#checkpoint('reset');
      case 'save fails':
        return this.#fail();
      case 'refuse':
        return this.#refuse();
      case 'never acknowledges':
        return this.#overlook();
      case 'dawdles':
        return this.#dawdle();
    }
  }

  #move(): string {
    const image = new MemoryImage();
    const error = this.#save({}, (chunks) => image.write(chunks));
    this.#expect('', error);
    if (this.#over || error !== '') return '';
    this.#text += this.host.consoleText(this.domid);
    // The back ends let go of it a little later.
    this.host.runFor(1e6);
    this.#compare('after the guest left', this.#empty, this.host.counts());
    this.faults.push(...this.host.audit());
    this.host = this.#newHost(this.host.hv.slot + 1);
    const { disks } = this.#load;
    this.domid = this.host.restoreFromBytes(image.bytes, this.#kernel.engine, { disks });
    this.#returns++;
    return '';
  }

  #checkpoint(resume: How): string {
    let writes = 0;
    this.#returns++;
    const error = this.#save({ checkpoint: true, resume }, () => {
      writes++;
    });
    this.#expect('', error);
    this.#writes = Math.max(1, writes);
    return '';
  }

  #fail(): string {
    const at = this.#random.below(this.#writes);
    let writes = 0;
    this.#returns++;
    const error = this.#save({ resume: this.#how() }, () => {
      if (writes++ === at) throw new DiskFull(at);
    });
    this.#expect(new DiskFull(at).message, error);
    return `write ${at}`;
  }

  /** Sixty seconds pass for the toolstack and none for the guest. */
  #outlast(): void {
    const { host, domid } = this;
    this.#run(this.#random.below(GAP_MAX));
    if (this.#gone || host.hv.domctl.getDomainInfo(domid).shutdown) return;
    host.xl.pause(domid);
    host.runFor(MINUTE_NS + SECOND_NS);
    host.xl.unpause(domid);
  }

  /** How often the guest has printed this, on all of its hosts. */
  #told(text: string): number {
    return (this.#text + this.host.consoleText(this.domid)).split(text).length - 1;
  }

  #refuse(): string {
    const { host, domid } = this;
    const nerves = new Nerves(this.#kernel, host, domid);
    const devices = nerves.devices();
    const device = devices[this.#random.below(devices.length)] as (typeof devices)[number];
    const name = nerves.nameOf(device);
    const before = this.#told(REFUSED);
    const error = this.#save(
      {},
      () => {},
      () => {
        const restore = nerves.refuse(device);
        const refused = () => this.#told(REFUSED) > before;
        host.runUntil('a refusal', () => refused() || this.#gone, MINUTE_NS / 2);
        if (this.#gone) return;
        restore();
        this.#outlast();
      },
    );
    this.#expect(LATE, error);
    return name;
  }

  #overlook(): string {
    const nerves = new Nerves(this.#kernel, this.host, this.domid);
    const error = this.#save(
      { checkpoint: true },
      () => {},
      () => {
        const restore = nerves.overlook();
        this.#outlast();
        if (!this.#gone) restore();
      },
    );
    if (!this.#over && (error === '' || error === LATE)) {
      // It was reading the node already, for the sake of the request before.
      this.#awaitReturn();
      return 'answered all the same';
    }
    this.#expect("guest didn't acknowledge suspend, cancelling request", error);
    return '';
  }

  #dawdle(): string {
    const { host, domid } = this;
    const nerves = new Nerves(this.#kernel, host, domid);
    const devices = nerves.devices();
    const device = devices[this.#random.below(devices.length)] as (typeof devices)[number];
    const name = nerves.nameOf(device);
    const taken = this.#takenUp();
    let release = (): void => {};
    const error = this.#save(
      { resume: this.#how() },
      () => {},
      () => {
        release = nerves.dawdle(device);
        host.runUntil('an answer', () => taken() || this.#gone, MINUTE_NS / 2);
        if (!this.#gone) this.#outlast();
      },
    );
    this.#expect(LATE, error);
    if (this.#over) return name;
    release();
    this.#awaitReturn();
    return name;
  }

  /** @returns whether the guest has taken up a request that is made after this */
  #takenUp(): () => boolean {
    if (this.#kernel.interface === 'xen-2.0') {
      // Its console may be suspended before it has said so.
      let answered = false;
      this.host.sim.trace.listen((_kind, domid, [what, type]) => {
        if (domid === this.domid && what === 'ctrl-answer' && type === CMSG_SHUTDOWN)
          answered = true;
      });
      return () => answered;
    }
    const node = `/local/domain/${this.domid}/control/shutdown`;
    return () => this.host.store.tryRead(node) === '';
  }

  /** A guest that suspends, however late, goes on. */
  #awaitReturn(): void {
    this.#returns++;
    const resumed = () => this.#told(RESUMED) >= this.#returns;
    this.host.runUntil('the late guest to go on', () => resumed() || this.#gone, MINUTE_NS);
  }
}
