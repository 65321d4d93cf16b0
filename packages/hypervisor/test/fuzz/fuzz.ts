/*
 * Two guests against each other and against Xen, from a seed: the same seed, the same run.
 *
 *     burst   one guest, 64 moves ── every frame that changed is looked at (store-watch.ts)
 *     every 1,000 moves           ── accounting() is recomputed; frames owned + free + Xen's = total
 *     a guest that died           ── is destroyed and made anew; at the end both are, and every frame must be back
 *
 * Nothing may be thrown: what a guest does wrong is an errno or its life.
 */
import * as abi from '@port-xen/abi';
import { Sim } from '@port-xen/sim';
import { XEN2_SLOT_FRAMES } from '../../src/hypervisor.ts';
import type { SharedInfoName } from '../../src/shared-info-layout.ts';
import { ARGS, Machine, va } from '../cpu/machine.ts';
import { Attacker } from './attacker.ts';
import type { Move } from './move.ts';
import { CPU_MOVES } from './moves-cpu.ts';
import { HANDLE_MOVES } from './moves-handles.ts';
import { MEMORY_MOVES } from './moves-memory.ts';
import { StoreWatch } from './store-watch.ts';

const FRAMES = 1536;
const BURST = 64;
const BOOKS_EVERY = 1000;

/** Several moves' hypercalls in one: a few entries that need no memory but the list itself. */
const MULTICALL: Move = {
  name: 'multicall',
  weight: 3,
  ends: true,
  run: (g) => {
    const count = 1 + g.below(5);
    for (let i = 0; i < count; i++) {
      const op = g.oneIn(3)
        ? g.below(50)
        : g.pick([
            abi.__HYPERVISOR_vm_assist,
            abi.__HYPERVISOR_xen_version,
            abi.__HYPERVISOR_update_va_mapping,
          ]);
      if (op === abi.__HYPERVISOR_iret) continue;
      g.put(
        va(13) + 64 * i,
        op,
        0,
        g.oneIn(2) ? va(g.gamePfn()) : g.wild(),
        g.wild(),
        g.pick([0, 2, ARGS]),
        g.wild(),
        g.wild(),
        0,
      );
    }
    return g.call(abi.__HYPERVISOR_multicall, g.oneIn(30) ? g.anyVa() : va(13), count);
  },
};

export const MOVES: readonly Move[] = [...MEMORY_MOVES, ...HANDLE_MOVES, ...CPU_MOVES, MULTICALL];

/** What no guest is given, here or by Xen. */
export const NEVER: ReadonlySet<string> = new Set([
  'mmuext_op MMUEXT_FLUSH_CACHE',
  'mmuext_op MMUEXT_FLUSH_CACHE_GLOBAL',
  'mmuext_op MMUEXT_MARK_SUPER',
  'mmuext_op MMUEXT_UNMARK_SUPER',
  'memory_op XENMEM_memory_map',
  'event_channel_op EVTCHNOP_bind_pirq',
  'event_channel_op EVTCHNOP_init_control',
  'console_io',
  'domctl',
  'sysctl',
  'platform_op',
  'xen_version XENVER_build_id',
  'sched_op SCHEDOP_remote_shutdown',
  'sched_op SCHEDOP_pin_override',
  'vcpu_op VCPUOP_get_physid',
]);

/** What came of a move. */
export interface Tally {
  successes: number;
  /** Negative results, and how often. */
  readonly errors: Map<number, number>;
}

export class Fuzz {
  readonly seed: number;
  readonly machine: Machine;
  readonly tallies = new Map<string, Tally>();
  /** Moves made. */
  moves = 0;
  /** Domains that died, or could not go on. */
  deaths = 0;
  readonly #interfaces: readonly [SharedInfoName, SharedInfoName];
  readonly #watch: StoreWatch;
  readonly #free: number;
  readonly #random;
  readonly #upTo: number[] = [];
  #guests: [Attacker, Attacker];
  /** Hypercalls of the guests that ended. */
  #callsBefore = 0;

  /** @param interfaces whose shared_info the guests have */
  constructor(
    seed: number,
    interfaces: readonly [SharedInfoName, SharedInfoName] = ['xen-3.0', 'xen-3.0'],
  ) {
    this.seed = seed;
    this.#interfaces = interfaces;
    const sim = new Sim(seed);
    const memory = new ArrayBuffer(FRAMES * 4096);
    this.machine = new Machine({ sim, memory, frames: FRAMES, slotFrames: XEN2_SLOT_FRAMES });
    this.#random = sim.random.stream('fuzz');
    this.#free = this.machine.xen.counts().free;
    let sum = 0;
    for (const { name, weight } of MOVES) {
      sum += weight;
      this.#upTo.push(sum);
      this.tallies.set(name, { successes: 0, errors: new Map() });
    }
    this.#guests = [this.#make(0), this.#make(1)];
    this.#introduce();
    this.#watch = new StoreWatch(this.machine, memory);
  }

  #make(who: number): Attacker {
    return new Attacker(this.machine, this.#random, this.#interfaces[who]);
  }

  /** Hypercalls made so far: most moves are one, some are several, a plain store is none. */
  get calls(): number {
    return this.#guests.reduce((sum, { calls }) => sum + calls, this.#callsBefore);
  }

  #introduce(): void {
    const [a, b] = this.#guests;
    a.peer = b;
    b.peer = a;
  }

  /** Makes moves until there were so many. @throws Error at the first thing that is wrong, with seed and move */
  run(moves: number): void {
    while (this.moves < moves) this.#burst(this.#random.below(2));
  }

  #fail(what: string): never {
    throw new Error(`seed ${this.seed}, move ${this.moves}: ${what}`);
  }

  #burst(who: number): void {
    if ((this.#guests[who] as Attacker).domain.isShutDown) this.#again(who);
    const guest = this.#guests[who] as Attacker;
    this.#watch.begin(guest);
    for (let i = 0; i < BURST; i++) {
      this.#move(guest);
      if (++this.moves % BOOKS_EVERY === 0) this.#books();
      if (guest.domain.isShutDown) break;
    }
    const { domain } = guest;
    if (domain.isShutDown && domain.crashReason === '' && this.#random.below(4) > 0) {
      this.machine.xen.domctl.resumeDomain(domain.domid);
    }
    const able = guest.revive();
    const wrong = this.#watch.end(guest);
    if (wrong.length > 0) this.#fail(wrong.slice(0, 5).join('; '));
    if (!able) this.#again(who);
    else if (this.#random.below(200) === 0) this.#again(who);
    if (this.#random.below(16) === 0) {
      this.machine.runFor(this.#random.below(3e6));
      this.#watch.resync();
    }
  }

  #move(guest: Attacker): void {
    const drawn = this.#random.below(2 ** 20) / 2 ** 20;
    const weight = drawn * (this.#upTo.at(-1) as number);
    const move = MOVES[this.#upTo.findIndex((upTo) => weight < upTo)] as Move;
    guest.acting = guest.domain.vcpus[1]?.runnable && guest.oneIn(4) ? 1 : 0;
    const vcpu = guest.cpu(guest.acting);
    if (vcpu.blocked) vcpu.unblock();
    vcpu.mmu.kernelMode = true;
    let result: number;
    try {
      result = move.run(guest);
    } catch (error) {
      this.#fail(`${move.name} threw ${error instanceof Error ? error.stack : String(error)}`);
    }
    vcpu.mmu.kernelMode = true;
    const tally = this.tallies.get(move.name) as Tally;
    if (result >= 0) tally.successes++;
    else tally.errors.set(result, (tally.errors.get(result) ?? 0) + 1);
    if (guest.domain.isShutDown && move.ends !== true && guest.domain.crashReason !== '') {
      this.#fail(`${move.name} ended the domain: ${guest.domain.crashReason}`);
    }
  }

  #books(): void {
    const wrong = this.machine.xen.accounting();
    if (wrong.length > 0) this.#fail(wrong.slice(0, 5).join('; '));
    const { total, free, owned } = this.machine.xen.counts();
    const xens = total - this.#free;
    if (free + owned + xens !== total) {
      this.#fail(`${free} free, ${owned} owned and ${xens} Xen's frames are not ${total}`);
    }
  }

  /** A guest's life ends; another begins. */
  #again(who: number): void {
    this.deaths++;
    this.#callsBefore += (this.#guests[who] as Attacker).calls;
    this.machine.xen.domctl.destroyDomain((this.#guests[who] as Attacker).domid);
    this.#guests[who] = this.#make(who);
    this.#introduce();
    this.#books();
    this.#watch.resync();
  }

  /** Ends both guests. @throws Error when a frame is missing then */
  finish(): void {
    this.#books();
    for (const { domid } of this.#guests) this.machine.xen.domctl.destroyDomain(domid);
    this.#books();
    const { free, domains } = this.machine.xen.counts();
    if (free !== this.#free || domains.length > 0) {
      this.#fail(
        `expected ${this.#free} free frames and no domain at the end, found ${free} and ${domains.length}`,
      );
    }
  }

  /** Frames that were seen to change. */
  get changes(): number {
    return this.#watch.changes;
  }
}

const names = (pattern: RegExp, sign: number): Map<number, string> =>
  new Map(
    Object.entries(abi)
      .filter(([name, value]) => pattern.test(name) && typeof value === 'number')
      .map(([name, value]) => [sign * (value as number), name.replace(/^XEN_/, '')]),
  );

/** Per sub-operation: how often it succeeded, and every error seen. */
export const report = (fuzz: Fuzz): string => {
  const errno = names(/^XEN_E[A-Z0-9]+$/, -1);
  const status = names(/^GNTST_/, 1);
  return MOVES.map(({ name, grant }) => {
    const { successes, errors } = fuzz.tallies.get(name) as Tally;
    const seen = [...errors]
      .sort(([, a], [, b]) => b - a)
      .map(
        ([code, count]) =>
          `${(grant === true && status.get(code)) || errno.get(code) || code}:${count}`,
      );
    return `${name.padEnd(48)} ${String(successes).padStart(9)}  ${seen.join(' ')}`;
  }).join('\n');
};
