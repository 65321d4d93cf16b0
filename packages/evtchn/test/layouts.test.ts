/*
 * Dispatch over either Xen's bitmaps. Where they are is said here by number, not by the layouts that the package is given.
 */
import {
  type Cpu,
  IPL_SCHED,
  type Softint,
  Spl,
  XEN2_SHARED_INFO,
  XEN3_SHARED_INFO,
} from '@port-xen/kern';
import { BytesMemory } from '@port-xen/layout';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Evtchn, type EvtchnKern, evtchn_data } from '../src/index.ts';

const SHARED_INFO = 4096;
const SPL = 64;
const DATA = 8192;

/** Offsets in bytes, ports of a selector's bit, and how many ports there are. */
const LAYOUTS = [
  {
    name: 'xen-3.0',
    layout: XEN3_SHARED_INFO,
    selector: 8,
    pending: 2048,
    mask: 2560,
    perBit: 64,
    ports: 4096,
  },
  {
    name: 'xen-2.0',
    layout: XEN2_SHARED_INFO,
    selector: 132,
    pending: 4,
    mask: 136,
    perBit: 32,
    ports: 1024,
  },
] as const;

class FlatEvents {
  readonly memory = new BytesMemory(new Uint8Array(DATA + evtchn_data.size));
  readonly ran: number[] = [];
  readonly evtchn: Evtchn;
  readonly where: (typeof LAYOUTS)[number];

  constructor(where: (typeof LAYOUTS)[number]) {
    this.where = where;
    const cpu = {
      id: 0,
      memory: this.memory,
      sym: () => 1,
      call: (_: number, port: number) => this.ran.push(port),
      hypercall: () => 0,
    } as unknown as Cpu;
    const spl = new Spl(cpu, SPL, SHARED_INFO, where.layout);
    const softint = { run: () => {} } as unknown as Softint;
    this.evtchn = new Evtchn(cpu, DATA, { spl, softint } as unknown as EvtchnKern);
    this.evtchn.reset();
    spl.setLevel(0);
    // Upcalls are off, as while one is handled.
    this.memory.st8(SHARED_INFO + 1, 1);
  }

  #bit(map: number, port: number): { at: number; bit: number } {
    return { at: SHARED_INFO + map + 4 * (port >>> 5), bit: 1 << (port & 31) };
  }

  /** As Xen does it. */
  raise(port: number): void {
    const { at, bit } = this.#bit(this.where.pending, port);
    this.memory.st32(at, this.memory.ld32(at) | bit);
    const masked = this.#bit(this.where.mask, port);
    if ((this.memory.ld32(masked.at) & masked.bit) !== 0) return;
    const selected = this.#bit(this.where.selector, Math.floor(port / this.where.perBit));
    this.memory.st32(selected.at, this.memory.ld32(selected.at) | selected.bit);
    this.memory.st8(SHARED_INFO, 1);
  }

  isSet(map: 'pending' | 'mask', port: number): boolean {
    const { at, bit } = this.#bit(this.where[map], port);
    return (this.memory.ld32(at) & bit) !== 0;
  }
}

test.each(LAYOUTS)(
  'EVT-9: $name: every port is taken, once, the lowest first, wherever its bits are',
  (where) => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: where.ports - 1 }), {
          minLength: 1,
          maxLength: 20,
        }),
        fc.infiniteStream(fc.boolean()),
        (ports, early) => {
          const events = new FlatEvents(where);
          for (const port of ports) {
            expect(events.isSet('mask', port)).toBe(true);
            events.evtchn.setHandler(port, 1, port, IPL_SCHED, 'test');
            // Before or after it is unmasked.
            const raisedFirst = early.next().value === true;
            if (raisedFirst) events.raise(port);
            events.evtchn.enable(port);
            if (!raisedFirst) events.raise(port);
          }
          events.evtchn.dispatch();
          expect(events.ran).toEqual([...ports].sort((a, b) => a - b));
          for (const port of ports) {
            expect([events.isSet('pending', port), events.isSet('mask', port)]).toEqual([
              false,
              false,
            ]);
          }
          expect(events.memory.ld8(SHARED_INFO)).toBe(0);
        },
      ),
    );
    const none = new FlatEvents(where);
    expect(() => none.evtchn.setHandler(where.ports, 1, 0, IPL_SCHED, 'beyond')).toThrow(
      `within [1, ${where.ports})`,
    );
  },
);
