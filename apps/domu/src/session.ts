/*
 * A run: a domain created or restored on a host of its own, followed to its end or to the moment at which it is saved.
 */
import { FileSink } from './file-stream.ts';
import { UserError } from './user-error.ts';
import { describeWhen, type When } from './when.ts';
import type { World } from './world.ts';

/** What is to be saved, when, and whether the guest goes on. */
export interface SavePlan {
  readonly path: string;
  readonly when: When;
  readonly checkpoint: boolean;
}

/** How a run ended. */
export type Outcome =
  | { readonly kind: 'saved' }
  | { readonly kind: 'ended'; readonly reason: number };

const SHUTDOWN_NAMES = ['poweroff', 'reboot', 'suspend', 'crash', 'watchdog', 'soft reset'];

/** What a shutdown reason is called. */
export const shutdownName = (reason: number): string =>
  SHUTDOWN_NAMES[reason] ?? `reason ${reason}`;

/** Follows one domain of a world. */
export class Session {
  readonly #world: World;
  readonly #domid: number;
  readonly #plan: SavePlan | undefined;
  #requested = false;
  #saved = false;
  #ended: number | undefined;
  #failure: Error | undefined;
  #seen = '';

  constructor(world: World, domid: number, plan: SavePlan | undefined) {
    this.#world = world;
    this.#domid = domid;
    this.#plan = plan;
    world.xl.onExit((exited, reason) => {
      if (exited === domid) this.#ended = reason;
    });
    const when = plan?.when;
    if (when?.kind === 'ns') world.sim.at(when.time_ns, () => this.#save());
    if (when?.kind === 'io') {
      if (when.count <= world.xbdback.completed) world.sim.after(0, () => this.#save());
      else world.xbdback.onComplete((total) => total === when.count && this.#save());
    }
  }

  /** The console printed something. */
  printed(text: string): void {
    const when = this.#plan?.when;
    if (when?.kind !== 'console' || this.#requested) return;
    this.#seen = (this.#seen + text).slice(-(when.text.length + text.length));
    if (this.#seen.includes(when.text)) this.#world.sim.after(0, () => this.#save());
  }

  #save(): void {
    const plan = this.#plan;
    if (plan === undefined || this.#requested || this.#ended !== undefined) return;
    this.#requested = true;
    const sink = new FileSink(plan.path);
    this.#world.xl.save(this.#domid, sink, { checkpoint: plan.checkpoint }, (error) => {
      if (error === null) {
        sink.commit();
        this.#saved = true;
      } else {
        sink.discard();
        this.#failure = error;
      }
    });
  }

  /**
   * Runs the world.
   * @param progress called now and then
   * @throws UserError when the domain could not be saved
   */
  run(progress: () => void = () => {}): Outcome {
    const { sim } = this.#world;
    const when = this.#plan?.when;
    for (let steps = 0; ; steps++) {
      if ((steps & 0xfff) === 0) progress();
      if (when?.kind === 'event' && sim.events >= when.count) this.#save();
      if (this.#failure !== undefined) throw new UserError(this.#failure.message);
      if (this.#saved && this.#plan?.checkpoint === false) return { kind: 'saved' };
      if (this.#ended !== undefined) {
        if (this.#plan !== undefined && !this.#saved) {
          throw new UserError(
            `the guest ended (${shutdownName(this.#ended)}) before ${describeWhen(this.#plan.when)}: nothing was saved`,
          );
        }
        return { kind: 'ended', reason: this.#ended };
      }
      if (!sim.step()) throw new UserError('the guest waits for something that will never come');
    }
  }
}
