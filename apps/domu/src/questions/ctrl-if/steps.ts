/*
 * The steps of ctrl_if_suspend and ctrl_if_resume, in their order; for each a controller interface that lacks it, and a moment at which that
 * is seen. The last step of all, that those go on who waited for room, is not here: in a whole kernel the console's first message does it too.
 */
import { CtrlIf } from '@port-xen/ctrl-if';
import type { Asking } from './asker.ts';

/** What domain 0 is doing when the domain is asked to suspend: its work, something else for 40 ms at each event, or nothing any more. */
export type Dom0 = 'works' | 'busy' | 'dead';

export interface Step {
  readonly routine: 'suspend' | 'resume';
  readonly name: string;
  readonly lacking: typeof CtrlIf;
  readonly when: string;
  readonly dom0: Dom0;
  readonly asking?: Partial<Asking>;
  /** The suspend is cancelled, and the domain goes on where it was. */
  readonly cancelled?: boolean;
}

export const STEPS: readonly Step[] = [
  {
    routine: 'suspend',
    name: 'wait for answers',
    lacking: class extends CtrlIf {
      override get drainedSent(): boolean {
        return true;
      }
    },
    when: 'a question, and domain 0 looks 40 ms late',
    dom0: 'busy',
    asking: { questions: 1 },
  },
  {
    routine: 'suspend',
    name: 'let handlers answer',
    lacking: class extends CtrlIf {
      override get drainedReceived(): boolean {
        return true;
      }
    },
    when: 'a memory request takes the guest 1 s',
    dom0: 'works',
    asking: { memory_ticks: 100 },
  },
  {
    routine: 'suspend',
    name: 'answer for slow handlers',
    lacking: class extends CtrlIf {
      override settleReceived(): void {}
    },
    when: 'a memory request takes the guest 8 s',
    dom0: 'works',
    asking: { memory_ticks: 800 },
  },
  {
    routine: 'suspend',
    name: 'hold what is said later',
    lacking: class extends CtrlIf {
      override disconnect(): void {
        super.disconnect();
        this.d.ctrl_if_suspended = 0;
      }
    },
    when: 'a device of the root asks, the last to be suspended',
    dom0: 'works',
    asking: { questions: 1, under: 'mainbus0' },
  },
  {
    routine: 'suspend',
    name: 'let go of the channel',
    lacking: class extends CtrlIf {
      override disconnect(): void {
        this.d.ctrl_if_suspended = 1;
      }
    },
    when: 'a checkpoint: the suspend is cancelled',
    dom0: 'works',
    cancelled: true,
  },
  {
    routine: 'resume',
    name: 'tell who was not answered',
    lacking: class extends CtrlIf {
      override settleSent(): void {}
    },
    when: 'a question, and domain 0 is dead',
    dom0: 'dead',
    asking: { questions: 1 },
  },
  {
    routine: 'resume',
    name: 'start where the new ring stands',
    lacking: class extends CtrlIf {
      override resynchronise(): void {}
    },
    when: 'any restore',
    dom0: 'works',
  },
  {
    routine: 'resume',
    name: 'free the ids',
    lacking: class extends CtrlIf {
      override discardResponses(): void {
        this.d.ctrl_if_tx_resp_cons = this.ring.tx_resp_prod;
      }
    },
    when: 'eight questions, and domain 0 is dead',
    dom0: 'dead',
    asking: { questions: 8 },
  },
  {
    routine: 'resume',
    name: 'take the new channel',
    lacking: class extends CtrlIf {
      override connect(): void {
        if (this.d.ctrl_if_suspended === 0) super.connect();
        else this.d.ctrl_if_suspended = 0;
      }
    },
    when: 'any restore',
    dom0: 'works',
  },
];
