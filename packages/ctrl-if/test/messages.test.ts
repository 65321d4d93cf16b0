/*
 * Messages in both directions in random states, with suspends in between: every question is answered once or fails once, and so is every
 * request of the controller's.
 */
import { CONTROL_RING_SIZE } from '@port-xen/abi';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ControlledGuest, type Message } from './controller.ts';
import { probeImage } from './probe.ts';
import { NOWNER, TYPE_ECHO, TYPE_HELD, TYPE_SLOW, TYPE_STUCK } from './probe-kernel.ts';

const image = probeImage();
const SECOND = 1e9;

/** One life of the controller: what it was asked, and what it asked. */
class Ledger {
  readonly g = new ControlledGuest(image, { amnesia: true });
  /** Owners whose message was taken by the ring. */
  readonly sent: number[] = [];
  #owner = 0;
  /** Messages taken and not answered. */
  #open: Message[] = [];
  /** Requests that were answered, by id, and how many there were. */
  #answered = new Map<number, number>();
  #asked = 0;
  #asks = 0;

  send(): void {
    if (this.#owner === NOWNER) return;
    const owner = this.#owner++;
    if (this.g.send(owner) === 0) this.sent.push(owner);
  }

  /** An lwp that waits for its turn and for its answer. */
  askAndWait(): void {
    if (this.#owner === NOWNER || this.#asks === 6) return;
    this.#asks++;
    this.sent.push(this.#owner);
    this.g.guest.spawn('probe_ask', this.#owner++);
    this.g.run(1e5);
  }

  take(): void {
    this.#open.push(...this.g.controller.take());
  }

  answer(at: number): void {
    const [message] = this.#open.splice(at % Math.max(1, this.#open.length), 1);
    if (message !== undefined) this.g.controller.answer(message);
  }

  ask(type: number): void {
    if (this.g.controller.room === 0 || this.#asked === 200) return;
    this.#asked++;
    this.g.controller.ask(type, this.#asked);
  }

  hear(answers: readonly Message[]): void {
    for (const { id } of answers) this.#answered.set(id, (this.#answered.get(id) ?? 0) + 1);
  }

  /** Each request of this life was answered once. */
  settle(): void {
    expect([...this.#answered.values()]).toEqual(Array(this.#asked).fill(1));
    this.#answered.clear();
    this.#asked = 0;
    this.#open = [];
  }

  move(): void {
    this.hear(this.g.move().answers());
    this.settle();
    this.g.guest.call('probe_forget');
  }

  /** Handlers that hold requests answer. */
  release(): void {
    for (let i = 0; i < this.g.state.probe.nheld; i++) this.g.guest.call('probe_release', i);
    for (let i = 0; i < 4; i++) this.g.guest.call('probe_go');
    this.g.run(1e7);
  }
}

const STEPS = [
  'send',
  'ask',
  'take',
  'answer',
  'echo',
  'slow',
  'held',
  'stuck',
  'release',
] as const;

const act = (l: Ledger, step: (typeof STEPS)[number], n: number): void => {
  if (step === 'send') l.send();
  else if (step === 'ask') l.askAndWait();
  else if (step === 'take') l.take();
  else if (step === 'answer') l.answer(n);
  else if (step === 'echo') l.ask(TYPE_ECHO);
  else if (step === 'slow') l.ask(TYPE_SLOW);
  else if (step === 'held') l.ask(TYPE_HELD);
  else if (step === 'stuck') l.ask(TYPE_STUCK);
  else l.release();
};

test('CTRL-1, CTRL-4, CTRL-7 … CTRL-11: whatever is under way at a suspend, each question is answered once or fails once', () => {
  const life = fc.record({
    steps: fc.array(fc.tuple(fc.constantFrom(...STEPS), fc.nat(7)), { maxLength: 25 }),
    outcome: fc.constantFrom('move', 'checkpoint'),
  });
  fc.assert(
    fc.property(fc.array(life, { minLength: 1, maxLength: 3 }), (lives) => {
      const l = new Ledger();
      for (const { steps, outcome } of lives) {
        for (const [step, n] of steps) act(l, step, n);
        l.g.run(1e5);
        if (outcome === 'move') l.move();
        else l.g.guest.checkpoint();
      }
      for (let round = 0; round < 10; round++) {
        l.take();
        for (let i = 0; i < CONTROL_RING_SIZE; i++) l.answer(0);
        l.release();
      }
      l.g.run(SECOND);
      l.hear(l.g.controller.answers());
      l.settle();
      const { probe, ids, unanswered } = l.g.state;
      for (const owner of l.sent) {
        const told = probe.answered.get(owner) + probe.failed.get(owner);
        expect([owner, told]).toEqual([owner, 1]);
        if (probe.answered.get(owner) === 1) expect(probe.byte.get(owner)).toBe(owner);
      }
      expect({ ids, unanswered }).toEqual({ ids: 0, unanswered: 0 });
    }),
    { numRuns: 8 },
  );
});

test('CTRL-2, CTRL-5: over ten thousand questions no id is lost, whatever the controller answers besides', () => {
  const g = new ControlledGuest(image);
  const CYCLES = 10_000;
  let seen = 0;
  const serve = (): void => {
    const { controller } = g;
    controller.onEvent = () => {
      for (const message of controller.take()) {
        seen++;
        // Now and then for nobody, instead of whoever asked.
        const id = seen % 500 === 0 ? 8 + message.id : message.id;
        controller.answer({ ...message, id });
      }
    };
    controller.onEvent();
  };
  serve();
  g.guest.spawn('probe_cycles', CYCLES);
  for (let life = 0; life < 4; life++) {
    g.run(0.1 * SECOND);
    g.move();
    serve();
  }
  g.run(SECOND);
  const { probe, ids, unsolicited } = g.state;
  expect(probe.cycles_failed).toBe(unsolicited);
  expect(unsolicited).toBe(Math.floor(CYCLES / 500));
  expect(probe.cycles_right).toBe(CYCLES - unsolicited);
  expect(ids).toBe(0);
}, 60_000);
