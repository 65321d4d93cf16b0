/*
 * Soft interrupts (softint(9)): a handler that is scheduled from a hard interrupt and runs when the level falls below
 * its own. A scheduled handler runs once, however often it was scheduled.
 */
import { array, i64, struct, u32, type View } from '@port-xen/layout';
import type { Cpu } from './cpu.ts';
import { kassert } from './panic.ts';
import type { Spl } from './spl.ts';

const NSOFTINT = 16;

const softint = struct('softint', { si_func: i64, si_arg: i64, si_level: u32, si_pending: u32 });

export const softint_data = struct('softint_data', {
  si_count: u32,
  si_table: array(softint, NSOFTINT),
});

export class Softint {
  readonly cpu: Cpu;
  readonly data: number;
  readonly spl: Spl;

  constructor(cpu: Cpu, data: number, spl: Spl) {
    this.cpu = cpu;
    this.data = data;
    this.spl = spl;
  }

  get #d(): View<typeof softint_data> {
    return softint_data.at(this.cpu.memory, this.data);
  }

  /** @returns a handle for {@link schedule} */
  establish(level: number, func: number, arg: number): number {
    const d = this.#d;
    kassert(d.si_count < NSOFTINT, `softint: expected at most ${NSOFTINT} handlers`);
    const si = d.si_table.at(d.si_count++);
    si.si_func = func;
    si.si_arg = arg;
    si.si_level = level;
    return si.address;
  }

  schedule(handle: number): void {
    const si = softint.at(this.cpu.memory, handle);
    si.si_pending = 1;
    this.spl.setPending(si.si_level);
  }

  /** Runs the scheduled handlers of one level. */
  run(level: number): void {
    const d = this.#d;
    for (let i = 0; i < d.si_count; i++) {
      const si = d.si_table.at(i);
      if (si.si_level !== level || si.si_pending === 0) continue;
      si.si_pending = 0;
      this.cpu.call(si.si_func, si.si_arg);
    }
  }
}
