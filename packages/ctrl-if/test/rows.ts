/*
 * The failure catalogue: what a person would have seen of a control interface that lacks one step of its suspend or resume. Each row is lived
 * through twice, with the step and without.
 */
import { CONTROL_RING_SIZE } from '@port-xen/abi';
import { EAGAIN } from '@port-xen/kern';
import { CtrlIf, ECONNRESET } from '../src/index.ts';
import type { ControlledGuest } from './controller.ts';
import { TYPE_ECHO, TYPE_SLOW, TYPE_STUCK } from './probe-kernel.ts';

const SECOND = 1e9;

export interface Row {
  /** What a person would have lost. */
  readonly name: string;
  /** The control interface without the step. */
  readonly lacking: typeof CtrlIf;
  /** Lives through it. @returns what was seen */
  see(g: ControlledGuest): unknown;
  readonly right: unknown;
  readonly wrong: unknown;
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** The controller looks at the ring a second late, whatever happens. */
const lookLate = (g: ControlledGuest): void => {
  const { controller } = g;
  controller.onEvent = () => {};
  g.after(SECOND, () => controller.answerAll());
};

export const ROWS: readonly Row[] = [
  {
    name: 'CTRL-8: who asks a controller that takes the question and never answers would wait for ever',
    lacking: class extends CtrlIf {
      override settleSent(): void {}
    },
    see: (g) => {
      g.send(3);
      g.controller.take();
      g.move();
      g.run(SECOND);
      return g.told(3);
    },
    right: [0, 1, ECONNRESET],
    wrong: [0, 0, 0],
  },
  {
    name: 'CTRL-7: a question that the controller had not looked at yet would be lost',
    lacking: class extends CtrlIf {
      override get drainedSent(): boolean {
        return true;
      }
    },
    see: (g) => {
      g.send(3);
      lookLate(g);
      g.move();
      return g.told(3);
    },
    right: [1, 0, 0],
    wrong: [0, 1, ECONNRESET],
  },
  {
    name: 'CTRL-9: the next host would be given answers to what it never asked',
    lacking: class extends CtrlIf {
      override settleReceived(): void {}
    },
    see: (g) => {
      // One that a handler has, and one that waits for the lwp behind it.
      g.controller.ask(TYPE_STUCK, 1);
      g.controller.ask(TYPE_STUCK, 2);
      g.run();
      const before = g.move();
      for (let i = 0; i < 2; i++) g.guest.call('probe_go');
      g.run(SECOND);
      return {
        here: before.answers().map(({ id, length }) => [id, length]),
        there: g.controller.answers().length,
        produced: g.controller.ring.rx_resp_prod,
        handled: g.state.probe.handled.get(TYPE_STUCK % 10),
      };
    },
    right: {
      here: [
        [0, 0],
        [1, 0],
      ],
      there: 0,
      produced: 0,
      handled: 1,
    },
    wrong: { here: [], there: 2, produced: 2, handled: 2 },
  },
  {
    name: 'CTRL-11: after eight answers that never came nobody could ask any more',
    lacking: class extends CtrlIf {
      override discardResponses(): void {
        this.d.ctrl_if_tx_resp_cons = this.ring.tx_resp_prod;
      }
    },
    see: (g) => {
      for (const owner of upTo(CONTROL_RING_SIZE)) g.send(owner);
      g.move();
      g.controller.answerAll();
      return upTo(CONTROL_RING_SIZE).map((owner) => g.send(owner + 8));
    },
    right: upTo(CONTROL_RING_SIZE).map(() => 0),
    wrong: upTo(CONTROL_RING_SIZE).map(() => EAGAIN),
  },
  {
    name: 'CTRL-7: text that stood in the ring would never be shown',
    lacking: class extends CtrlIf {
      override get drainedSent(): boolean {
        return true;
      }
    },
    see: (g) => {
      const shown: number[] = [];
      g.send(-1);
      const { controller } = g;
      g.after(SECOND, () => {
        for (const message of controller.take()) {
          shown.push(message.byte);
          controller.answer(message);
        }
      });
      const before = g.move();
      g.run(2 * SECOND);
      shown.push(...g.controller.take().map(({ byte }) => byte));
      return before === controller ? shown : [];
    },
    right: [0xff],
    wrong: [],
  },
  {
    name: 'CTRL-11: on the next host the domain would be deaf',
    lacking: class extends CtrlIf {
      override resynchronise(): void {}
    },
    see: (g) => {
      g.controller.answerAll();
      g.send(0);
      g.controller.ask(TYPE_ECHO);
      g.run();
      g.move();
      g.controller.answerAll();
      g.send(3);
      g.controller.ask(TYPE_ECHO, 9);
      g.run(SECOND);
      return { told: g.told(3), answers: g.controller.answers().map(({ byte }) => byte) };
    },
    right: { told: [1, 0, 0], answers: [9] },
    wrong: { told: [0, 0, 0], answers: [] },
  },
  {
    name: 'CTRL-12: the next host would hear nothing of what the domain says',
    lacking: class extends CtrlIf {
      override connect(): void {
        if (this.d.ctrl_if_suspended === 0) super.connect();
        else this.d.ctrl_if_suspended = 0;
      }
    },
    see: (g) => {
      g.move();
      g.controller.answerAll();
      g.send(3);
      g.run(SECOND);
      return g.told(3);
    },
    right: [1, 0, 0],
    wrong: [0, 0, 0],
  },
  {
    name: 'CTRL-10: who waits for room when the domain leaves would wait on with the ring empty',
    lacking: class extends CtrlIf {
      override release(): void {}
    },
    see: (g) => {
      for (const owner of upTo(CONTROL_RING_SIZE)) g.send(owner);
      g.guest.spawn('probe_ask', 9);
      g.run();
      g.move();
      g.controller.answerAll();
      g.run(SECOND);
      return g.told(9);
    },
    right: [1, 0, 0],
    wrong: [0, 0, 0],
  },
  {
    name: 'CTRL-10: what is said after the control interface was suspended would go into a ring that nobody reads',
    lacking: class extends CtrlIf {
      override disconnect(): void {
        super.disconnect();
        this.d.ctrl_if_suspended = 0;
      }
    },
    see: (g) => {
      g.guest.call('probe_attach_late');
      g.move();
      return g.state.probe.late;
    },
    right: EAGAIN,
    wrong: 0,
  },
  {
    name: 'CTRL-7: a request that its handler was about to answer would be refused',
    lacking: class extends CtrlIf {
      override get drainedReceived(): boolean {
        return true;
      }
    },
    see: (g) => {
      g.controller.ask(TYPE_SLOW, 5);
      return g
        .move()
        .answers()
        .map(({ length, byte }) => [length, byte]);
    },
    right: [[1, 5]],
    wrong: [[0, 5]],
  },
  {
    name: 'CTRL-11: after a cancelled suspend the kernel would panic over a handler that is still there',
    lacking: class extends CtrlIf {
      override disconnect(): void {
        this.d.ctrl_if_suspended = 1;
      }
    },
    see: (g) => {
      g.controller.answerAll();
      try {
        g.guest.checkpoint();
        g.send(3);
        g.run();
        return g.told(3);
      } catch (error) {
        return /but it shut down/.test(String(error)) ? 'panic' : String(error);
      }
    },
    right: [1, 0, 0],
    wrong: 'panic',
  },
];
