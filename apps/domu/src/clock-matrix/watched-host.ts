/*
 * A host with one guest on it that runs clockwatch, and the observer outside: every line of clockwatch's is kept with the
 * world's time at which its last byte came out, so that it can be compared with the host's own clocks.
 */
import { __HYPERVISOR_sched_op, SCHEDOP_shutdown } from '@port-xen/abi';
import { domainConfig, parseXlCfg } from '@port-xen/toolstack';
import type { BlockStore } from '@port-xen/xbdback';
import type { Guest } from '../guest.ts';
import type { Host } from '../host-options.ts';
import { World } from '../world.ts';
import { GUEST_MAC, type WirePeer } from './wire-peer.ts';

const MEMORY_MIB = 8;
const UUID = '5f1f8a3e-3c0b-4c1e-9a39-2f6f0c10c10c';

/** What clockwatch said in one line. Times in ns, the wall clock less the host's. */
export interface Seen {
  /** When it was seen: world time, and how far the host's own clock had come since the world began. */
  readonly time_ns: number;
  readonly host_ns: number;
  readonly monotonic_ns: number;
  readonly uptime_ns: bigint;
  readonly wallAhead_ns: number;
  /** All runstates together. */
  readonly runstates_ns: number;
  readonly ticks: number;
  readonly ticksAtOnce: number;
  /** How long the last block took, ns. */
  readonly io_ns: number;
  readonly resumes: number;
}

/** What the witness said in one line. Times in ns. */
export interface Witnessed {
  /** Ticks that a callout was late at most, and how often one ran twice or out of order. */
  readonly late: number;
  readonly twice: number;
  readonly disorder: number;
  readonly store_ns: number;
  readonly wait_ns: number;
}

const LINE =
  /^clockwatch \d+: mono (\d+)\.(\d{9}) up (\d+)\.(\d{9}) wall (-?\d+)\.(\d{9}) ticks (\d+) at-once (\d+) ran (\S+) stolen (\S+) blocked (\S+) io (\S+) resumes (\d+) /;
const WITNESS =
  /^witness: callouts \d+ late (\d+) twice (\d+) disorder (\d+) store (\S+) wait (\S+)$/;

/** A disk that is all zeroes. */
class BlankDisk implements BlockStore {
  readonly sectors = 8;

  read(_sector: number, into: Uint8Array): void {
    into.fill(0);
  }

  write(): void {}

  flush(): void {}

  close(): void {}
}

export class WatchedHost {
  readonly world: World;
  readonly seen: Seen[] = [];
  readonly witnessed: Witnessed[] = [];
  /** All that was printed here. */
  console = '';
  /** The guest's reason to end; undefined while it runs. */
  ended: number | undefined;
  /** World time at which the domain was let run, and at which it stopped to be saved. */
  started_ns = 0;
  stopped_ns = 0;
  readonly host: Host;
  #line = '';

  constructor(seed: number, host: Host, guest: Guest) {
    this.host = host;
    this.world = new World({
      seed,
      host,
      guestMemory_mib: MEMORY_MIB,
      engine: guest.engine,
      kernel: guest.elf,
      openDisk: () => new BlankDisk(),
      console: (_, bytes) => this.#printed(bytes),
    });
    this.world.xl.onExit((_, reason) => {
      this.ended = reason;
    });
  }

  #printed(bytes: Uint8Array): void {
    for (const byte of bytes) {
      this.#line += String.fromCharCode(byte);
      if (byte !== 10) continue;
      this.console += this.#line;
      this.#take(this.#line);
      this.#line = '';
    }
  }

  #take(line: string): void {
    const witness = WITNESS.exec(line.trimEnd())?.map(Number);
    if (witness !== undefined) {
      const [, late, twice, disorder, store, wait] = witness as [0, ...number[]];
      const [store_ns, wait_ns] = [Number(store) * 1e9, Number(wait) * 1e9];
      this.witnessed.push({
        late: Number(late),
        twice: Number(twice),
        disorder: Number(disorder),
        store_ns,
        wait_ns,
      });
    }
    const match = LINE.exec(line);
    if (match === null) return;
    const at = (i: number): number => Number(match[i]);
    const time_ns = this.world.sim.now_ns;
    const host_ns = this.hostTime_ns(time_ns);
    const { wallclock_ns } = this.host;
    // In parts: nanoseconds since 1970 are more than a Number holds.
    const hostSeconds = Math.floor(wallclock_ns / 1e9);
    const hostRest = (wallclock_ns % 1e9) + host_ns;
    this.seen.push({
      time_ns,
      host_ns,
      monotonic_ns: at(1) * 1e9 + at(2),
      uptime_ns: BigInt(at(3)) * 1_000_000_000n + BigInt(at(4)),
      wallAhead_ns: (at(5) - hostSeconds) * 1e9 + (at(6) - hostRest),
      ticks: at(7),
      ticksAtOnce: at(8),
      runstates_ns: Math.round((at(9) + at(10) + at(11)) * 1e9),
      io_ns: at(12) * 1e9,
      resumes: at(13),
    });
  }

  /** How far the host's clock has come since the world began, when that was so long ago. */
  hostTime_ns(world_ns: number): number {
    const gained = (BigInt(world_ns) * BigInt(this.host.drift_ppb)) / 1_000_000_000n;
    const cut = (BigInt(world_ns) * BigInt(this.host.drift_ppb)) % 1_000_000_000n < 0n ? 1 : 0;
    return world_ns + Number(gained) - cut;
  }

  /** The host's clocks now, ns. */
  get uptime_ns(): number {
    return this.host.uptime_ns + this.hostTime_ns(this.world.sim.now_ns);
  }

  get wallclock_ns(): number {
    return this.host.wallclock_ns + this.hostTime_ns(this.world.sim.now_ns);
  }

  /** What clockwatch found wrong. */
  get faults(): string[] {
    return [...this.console.matchAll(/^clockwatch: fault: (.*)$/gm)].map(
      ([, fault]) => fault as string,
    );
  }

  /**
   * Saves the domain.
   * @param slow_ns how long writing the file takes
   * @returns the file; undefined when the save failed, and the domain goes on
   */
  save(
    domid: number,
    checkpoint: boolean,
    slow_ns: number,
    limit_ns: number,
  ): Uint8Array[] | undefined {
    const chunks: Uint8Array[] = [];
    let result: Error | null | undefined;
    let slow = slow_ns;
    const write = (some: readonly Uint8Array[]): void => {
      sim.spend(slow);
      slow = 0;
      chunks.push(...some.map((chunk) => chunk.slice()));
    };
    const { sim } = this.world;
    let stopped = false;
    sim.trace.listen((kind, _, [number, command]) => {
      const stops = number === __HYPERVISOR_sched_op && command === SCHEDOP_shutdown;
      // The first one: a guest that goes on ends by the same hypercall.
      if (kind !== 'hypercall' || !stops || stopped) return;
      stopped = true;
      this.stopped_ns = sim.now_ns;
    });
    this.world.xl.save(domid, { write }, { checkpoint }, (error) => {
      result = error;
    });
    this.runUntil(() => result !== undefined, limit_ns);
    return result === null ? chunks : undefined;
  }

  /** Boots the guest. @param commandLine the kernel's @param peer whom it is to be on one bridge with @returns its domid */
  boot(guest: Guest, commandLine: string, peer?: WirePeer): number {
    const vif = peer === undefined ? '' : `vif=["mac=${GUEST_MAC},bridge=xenbr0"]\n`;
    const text = `name="clockwatch"\nuuid="${UUID}"\nmemory=${MEMORY_MIB}\ndisk=["/blank,raw,xvda,r"]\n${vif}extra="${commandLine}"\n`;
    peer?.join(this.world.sim, this.world.xenbr0);
    const draw = { uuid: () => UUID, mac: () => '' };
    return this.world.xl.create(domainConfig(parseXlCfg(text), draw).config, guest.elf);
  }

  /** Restores a save file and starts it. @param peer who comes along @returns its domid */
  restore(chunks: readonly Uint8Array[], peer?: WirePeer): number {
    let chunk = 0;
    let at = 0;
    const read = (into: Uint8Array): number => {
      let done = 0;
      while (done < into.length && chunk < chunks.length) {
        const from = chunks[chunk] as Uint8Array;
        const part = from.subarray(at, at + into.length - done);
        into.set(part, done);
        done += part.length;
        at += part.length;
        if (at === from.length) {
          chunk++;
          at = 0;
        }
      }
      return done;
    };
    const { domid } = this.world.xl.restore({ read });
    peer?.join(this.world.sim, this.world.xenbr0);
    this.started_ns = this.world.sim.now_ns;
    this.world.xl.unpause(domid);
    return domid;
  }

  /** Runs until `done`, the guest's end, or so much later. @returns whether `done` */
  runUntil(done: () => boolean, limit_ns: number): boolean {
    const { sim } = this.world;
    const end_ns = sim.now_ns + limit_ns;
    while (!done()) {
      if (this.ended !== undefined || sim.now_ns > end_ns || !sim.step()) return done();
    }
    return true;
  }

  /** Lets time pass. */
  runFor(ns: number): void {
    let over = false;
    this.world.sim.after(ns, () => {
      over = true;
    });
    this.runUntil(() => over, 2 * ns + 1e9);
  }
}
