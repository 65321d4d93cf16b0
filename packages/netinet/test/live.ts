/*
 * Hosts whose kernels run: after every event the engine executes their text until they are idle, with all objects thrown away
 * before each instruction when `amnesia` is set.
 */
import { TextEngine } from '@port-xen/kern';
import { Sim } from '@port-xen/sim';
import { RIP } from '@port-xen/vcpu';
import { Host } from './host.ts';
import { A, B } from './pair.ts';
import { Programs, programs_data, programsText } from './programs.ts';
import { Wire, type WireOptions } from './wire.ts';

const STEPS_MAX = 100_000;

export class Live {
  readonly sim: Sim;
  readonly wire: Wire;
  readonly hosts: [Host, Host];
  readonly amnesia: boolean;

  constructor(wire: WireOptions, amnesia: boolean, seed = 1) {
    this.sim = new Sim(seed);
    this.amnesia = amnesia;
    const make = (addr: number): Host =>
      new Host(this.sim, {
        addr,
        modules: { programs: { data: programs_data, text: programsText } },
        link: (kern, _, at) => ({ programs: new Programs(kern, at.programs as number) }),
      });
    this.hosts = [make(A), make(B)];
    this.wire = new Wire(this.sim, this.hosts[0], this.hosts[1], wire);
  }

  dataOf(end: 0 | 1) {
    const host = this.hosts[end];
    return programs_data.at(host.machine.memory, host.image.data.programs as number);
  }

  boot(total: number): void {
    this.dataOf(0).role = 2;
    this.dataOf(0).total = total;
    this.dataOf(1).role = 1;
    for (const host of this.hosts) {
      host.up();
      host.machine.registers.set(RIP, host.image.sym('boot'));
    }
    // The server first.
    this.#settle(this.hosts[1]);
    this.#settle(this.hosts[0]);
  }

  #settle(host: Host): void {
    const engine = new TextEngine(host.image, { amnesia: this.amnesia });
    for (let i = 0; i < STEPS_MAX; i++) {
      host.machine.stop = false;
      engine.run(host.machine, 1);
      if (host.machine.stop && !host.kern.sched.anyRunnable) return;
    }
    throw new Error('a kernel does not become idle');
  }

  /** Freezes a host and goes on with another, made from its bytes. */
  move(end: 0 | 1): void {
    const next = this.hosts[end].moved();
    this.hosts[end] = next;
    this.wire.plug(end, next);
    next.up();
  }

  run(seconds: number, finished: () => boolean): boolean {
    const end = this.sim.now_ns + seconds * 1e9;
    while (!finished() && this.sim.nextTime_ns <= end) {
      this.sim.step();
      for (const host of this.hosts) if (host.kern.sched.anyRunnable) this.#settle(host);
    }
    return finished();
  }
}
