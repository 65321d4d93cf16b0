/*
 * Who waits for memory, in the order of asking (uvm_wait): a list through the stacks of the lwps that wait.
 *
 *     wait_head → { next | pages | refused } → { next | pages | refused } → 0
 *
 * Pages accumulate until the first one's request can be met; nobody is given any before it. So whoever wants many is not passed by
 * those who want one, and whoever wants one waits for those before it alone.
 */
import { type Cpu, kassert, type Sched } from '@port-xen/kern';
import type { View } from '@port-xen/layout';
import { uvm_data, uvm_waiter } from './uvm-data.ts';

type Waiter = View<typeof uvm_waiter>;

export class Waiters {
  readonly cpu: Cpu;
  readonly data: number;
  readonly sched: Sched;

  constructor(cpu: Cpu, data: number, sched: Sched) {
    this.cpu = cpu;
    this.data = data;
    this.sched = sched;
  }

  get #d(): View<typeof uvm_data>['pages'] {
    return uvm_data.at(this.cpu.memory, this.data).pages;
  }

  #at(address: number): Waiter {
    return uvm_waiter.at(this.cpu.memory, address);
  }

  /** Nobody waits. */
  get none(): boolean {
    return this.#d.wait_head === 0;
  }

  /** Everybody, by order. */
  #all(): Waiter[] {
    const all: Waiter[] = [];
    for (let at = this.#d.wait_head; at !== 0; at = this.#at(at).w_next) all.push(this.#at(at));
    return all;
  }

  /** Pages that all of them wait for. */
  get pages(): number {
    return this.#all().reduce((sum, w) => sum + w.w_pages, 0);
  }

  /** Pages that the first one waits for, 0 when nobody does. */
  get first(): number {
    const { wait_head } = this.#d;
    return wait_head === 0 ? 0 : this.#at(wait_head).w_pages;
  }

  isFirst(address: number): boolean {
    return this.#d.wait_head === address;
  }

  /** The lwp whose stack has the waiter waits from now on, behind the others. */
  add(address: number): void {
    this.#at(address).w_next = 0;
    const last = this.#all().at(-1);
    if (last === undefined) this.#d.wait_head = address;
    else last.w_next = address;
  }

  remove(address: number): void {
    const gone = this.#at(address);
    const before = this.#all().find((w) => w.w_next === address);
    kassert(before !== undefined || this.isFirst(address), 'uvm: an lwp that does not wait leaves');
    if (before === undefined) this.#d.wait_head = gone.w_next;
    else before.w_next = gone.w_next;
  }

  /** Lets the first one look whether it has waited long enough. */
  wakeFirst(): void {
    const { wait_head } = this.#d;
    if (wait_head !== 0) this.sched.wakeup(wait_head);
  }

  /** There will be no more pages. Who wants the most is told so: a fork or a map can do without, a fault is the end of a program. */
  refuse(): void {
    const [first, ...others] = this.#all();
    if (first === undefined) return;
    const most = others.reduce((m, w) => (w.w_pages > m.w_pages ? w : m), first);
    this.remove(most.address);
    most.w_refused = 1;
    this.sched.wakeup(most.address);
  }
}
