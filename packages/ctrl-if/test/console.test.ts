import { CMSG_CONSOLE } from '@port-xen/abi';
import { MODES, type TestGuestOptions } from '@tooling/guest-testbed';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ControlledGuest, type Controller } from './controller.ts';
import { probeImage } from './probe.ts';
import { piece } from './probe-kernel.ts';

const image = probeImage();
const INQ = 4096;
const READ_MAX = 2000;

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const piecesOf = (text: string): number[] =>
  [...text.matchAll(/<(\d+)>/g)].map(([, n]) => Number(n));

/** A domain, a person who reads, and one who types. */
class Terminal {
  readonly g: ControlledGuest;
  shown = '';
  read: number[] = [];
  /** Bytes typed that the guest has not taken. */
  #left: number[] = [];
  #out = new Map<number, number[]>();
  #printed = 0;
  typed = 0;

  constructor(options: TestGuestOptions) {
    this.g = new ControlledGuest(image, options);
  }

  print(pieces: number): void {
    this.g.guest.call('probe_print', this.#printed, this.#printed + pieces);
    this.#printed += pieces;
  }

  get printed(): number {
    return this.#printed;
  }

  /** What there is in the ring is shown, `most` messages of it. */
  show(most = 8): void {
    for (const message of this.g.controller.take(most)) {
      const text = String.fromCharCode(...message.bytes.subarray(0, message.length));
      if (message.type === CMSG_CONSOLE) this.shown += text;
      this.g.controller.answer(message);
    }
  }

  showAll(): void {
    this.g.controller.onEvent = () => this.show();
    this.show();
  }

  type(count: number): void {
    for (let i = 0; i < count; i++) this.#left.push(this.typed++ % 251);
    this.push();
  }

  /** As much as the ring has room for; one message at a time, as the order would not be kept otherwise. */
  push(): void {
    const { controller } = this.g;
    this.hear(controller);
    if (this.#left.length === 0 || this.#out.size > 0 || controller.room === 0) return;
    const bytes = this.#left.splice(0, 60);
    const payload = new Uint8Array(60);
    payload.set(bytes);
    this.#out.set(controller.say(CMSG_CONSOLE, payload, bytes.length), bytes);
  }

  /** What was not taken is typed again. */
  hear(controller: Controller): void {
    for (const { id, length } of controller.answers()) {
      this.#left.unshift(...(this.#out.get(id) ?? []).slice(length));
      this.#out.delete(id);
    }
  }

  pushAll(ns = 1e6): void {
    for (let i = 0; i < 2000 && (this.#left.length > 0 || this.#out.size > 0); i++) {
      this.push();
      this.g.run(ns / 10);
      this.take(READ_MAX);
    }
  }

  take(most: number): void {
    const { guest } = this.g;
    const got = guest.call('probe_read', guest.replyAddress, most);
    this.read.push(...guest.reply.subarray(0, got));
  }

  /** Goes to the next host. What the last one was told in the end is still heard. */
  move(): void {
    this.hear(this.g.move());
    expect(this.#out.size).toBe(0);
  }
}

describe.each(MODES)('%s', (_, options) => {
  test('CONS-6: what is printed is shown once and in order, over a save with the rings full', () => {
    const t = new Terminal(options);
    t.print(500);
    t.g.after(1e9, () => t.showAll());
    t.move();
    const here = t.shown.length;
    expect(here).toBeGreaterThan(0);
    expect(t.g.guest.call('probe_drained')).toBe(0);
    t.showAll();
    t.print(10);
    t.g.run();
    expect(t.shown).toBe(upTo(t.printed).map(piece).join(''));
    expect(t.g.guest.call('probe_drained')).toBe(1);
  });

  test('CONS-6: what a controller never looked at is shown by the next one', () => {
    const t = new Terminal(options);
    t.print(30);
    t.move();
    t.showAll();
    t.g.run();
    expect(t.shown).toBe(upTo(30).map(piece).join(''));
  });

  test('CONS-6: a suspend that is cancelled shows nothing twice, whoever was slow', () => {
    const t = new Terminal(options);
    t.print(300);
    t.show(2);
    t.g.guest.checkpoint();
    t.showAll();
    t.g.run();
    expect(t.shown).toBe(upTo(300).map(piece).join(''));
  });

  test('CONS-7: what is typed is read once and in order; nobody reads for two saves, and nothing is lost', () => {
    const t = new Terminal(options);
    t.type(INQ + 500);
    for (let i = 0; i < 200; i++) {
      t.push();
      t.g.run(1e5);
    }
    // Half of the queue, and one answer that waits.
    expect(t.read).toEqual([]);
    t.move();
    t.push();
    t.g.run();
    t.move();
    t.pushAll();
    t.take(READ_MAX);
    expect(t.read).toEqual(upTo(t.typed).map((n) => n % 251));
  });
});

test('CONS-6, CONS-7: whenever it is saved, every byte is shown once and read once', () => {
  const steps = fc.array(
    fc.record({
      pieces: fc.nat(120),
      typed: fc.nat(150),
      show: fc.nat(8),
      read: fc.nat(100),
      outcome: fc.constantFrom('run', 'move', 'checkpoint'),
    }),
    { maxLength: 5 },
  );
  fc.assert(
    fc.property(steps, (all) => {
      const t = new Terminal({ amnesia: true });
      for (const { pieces, typed, show, read, outcome } of all) {
        t.print(pieces);
        t.type(typed);
        t.show(show);
        t.g.run(2e4);
        t.take(read);
        t.push();
        if (outcome === 'move') t.move();
        else if (outcome === 'checkpoint') t.g.guest.checkpoint();
        else t.g.run();
      }
      t.showAll();
      t.g.run();
      t.pushAll();
      t.take(READ_MAX);
      expect(piecesOf(t.shown)).toEqual(upTo(t.printed));
      expect(t.read).toEqual(upTo(t.typed).map((n) => n % 251));
    }),
    { numRuns: 10 },
  );
});
