/*
 * A run: a domain created or restored on a host of its own, followed to its end or to the moment at which it is saved.
 */
import { type ShutdownAction, toJson } from '@port-xen/toolstack';
import { FileSink } from './file-stream.ts';
import type { Pace } from './pace.ts';
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
  | { readonly kind: 'destroyed' }
  | { readonly kind: 'ended'; readonly reason: number };

/** What the toolstack does that ends in another domain of the same name. */
const RESTARTS: ReadonlySet<ShutdownAction> = new Set([
  'restart',
  'restart_rename',
  'coredump_restart',
  'soft_reset',
]);

const SHUTDOWN_NAMES = ['poweroff', 'reboot', 'suspend', 'crash', 'watchdog', 'soft reset'];

/** What a shutdown reason is called. */
export const shutdownName = (reason: number): string =>
  SHUTDOWN_NAMES[reason] ?? `reason ${reason}`;

/** How long events are handled before Node.js may see to signals and sockets. */
const BATCH_MS = 20;
const EVENTS_PER_LOOK = 256;

/** Follows one domain of a world, and the one that takes its place when it restarts. */
export class Session {
  readonly #world: World;
  readonly #plan: SavePlan | undefined;
  readonly #onSave: (domid: number, path: string) => void;
  #domid: number;
  #name: string;
  #requested = false;
  #saved = false;
  #restarting = false;
  /** Somebody is there to look at a domain that is preserved. */
  #attended = false;
  #ended: number | undefined;
  /** The save of the plan came to nothing; its cause was told then. */
  #failed = false;
  /** What somebody did to the domain from outside. */
  #gone: Outcome | undefined;
  #seen = '';

  /** @param onSave told when a save begins, by plan or because somebody asked for it */
  constructor(
    world: World,
    domid: number,
    plan: SavePlan | undefined,
    onSave: (domid: number, path: string) => void = () => {},
  ) {
    this.#world = world;
    this.#domid = domid;
    this.#name = world.xl.configOf(domid).name;
    this.#plan = plan;
    this.#onSave = onSave;
    world.xl.onExit((exited, reason, action) => {
      if (exited !== this.#domid) return;
      if (action === 'preserve' && this.#attended) {
        process.stderr.write(
          `domain ${exited} has shut down (${shutdownName(reason)}) and is preserved\n`,
        );
        return;
      }
      this.#ended = reason;
      this.#restarting = RESTARTS.has(action);
    });
    const when = plan?.when;
    if (when?.kind === 'ns') world.sim.at(when.time_ns, () => this.#save());
    if (when?.kind === 'io') {
      if (when.count <= world.xbdback.completed) world.sim.after(0, () => this.#save());
      else world.xbdback.onComplete((total) => total === when.count && this.#save());
    }
  }

  /** The domain's number now. */
  get domid(): number {
    return this.#domid;
  }

  /** The console printed something. */
  printed(text: string): void {
    const when = this.#plan?.when;
    if (when?.kind !== 'console' || this.#requested) return;
    this.#seen = (this.#seen + text).slice(-(when.text.length + text.length));
    if (this.#seen.includes(when.text)) this.#world.sim.after(0, () => this.#save());
  }

  /** The moment of the plan has come. */
  #save(): void {
    const plan = this.#plan;
    if (plan === undefined || this.#requested || this.#ended !== undefined) return;
    // The toolstack is about to hear of its end, and so are we.
    if (!this.#attended && this.#world.hv.domctl.getDomainInfo(this.#domid).shutdown) return;
    this.#requested = true;
    // Without a file the guest goes on, to its end, and that it was not saved is the run's result then.
    const done = (error: Error | null): void => {
      if (error === null) this.#saved = true;
      else this.#failed = true;
    };
    try {
      this.#write(this.#domid, plan.path, plan.checkpoint, done);
    } catch (error) {
      process.stderr.write(`${(error as Error).message}\n`);
      this.#failed = true;
    }
  }

  /** @throws UserError, ToolstackError when it cannot be begun */
  #write(
    domid: number,
    path: string,
    checkpoint: boolean,
    done: (error: Error | null) => void,
  ): void {
    const { xl } = this.#world;
    const config_len = Buffer.byteLength(toJson(xl.configOf(domid))) + 1;
    const sink = new FileSink(path);
    this.#onSave(domid, path);
    process.stderr.write(`Saving to ${path} new xl format (info 0x3/0x0/${4 + config_len})\n`);
    try {
      xl.save(domid, sink, { checkpoint }, (error) => {
        if (error === null) sink.commit();
        else {
          sink.discard();
          process.stderr.write(`${error.message}\nFailed to save domain, resuming domain\n`);
        }
        done(error);
      });
    } catch (error) {
      sink.discard();
      throw error;
    }
  }

  /** Saves a domain because somebody asked for it now. @throws UserError, ToolstackError when it cannot be begun */
  saveNow(
    domid: number,
    path: string,
    checkpoint: boolean,
    done: (error: Error | null) => void,
  ): void {
    this.#write(domid, path, checkpoint, (error) => {
      done(error);
      if (error === null && !checkpoint && domid === this.#domid) this.#gone = { kind: 'saved' };
    });
  }

  /** Destroys a domain because somebody asked for it. */
  destroy(domid: number): void {
    this.#world.xl.destroy(domid);
    if (domid === this.#domid) this.#gone = { kind: 'destroyed' };
  }

  /**
   * Runs the world, as fast as it goes or at a pace.
   * @throws UserError when the domain was to be saved and was not, after its end
   */
  async run(pace?: Pace): Promise<Outcome> {
    if (pace !== undefined) {
      this.#attended = true;
      return this.#runPaced(pace);
    }
    for (let until = performance.now() + BATCH_MS; ; ) {
      for (let i = 0; i < EVENTS_PER_LOOK; i++) {
        const outcome = this.#step();
        if (outcome !== undefined) return outcome;
      }
      if (performance.now() < until) continue;
      await new Promise((resolve) => setImmediate(resolve));
      until = performance.now() + BATCH_MS;
    }
  }

  /** Runs the world no faster than real time passes. */
  async #runPaced(pace: Pace): Promise<Outcome> {
    for (;;) {
      while (pace.isDue(this.#world.sim.nextTime_ns)) {
        const outcome = this.#step();
        if (outcome !== undefined) return outcome;
      }
      if (this.#gone !== undefined) return this.#gone;
      await pace.until(this.#world.sim.nextTime_ns);
    }
  }

  /** One event of the world. @returns how the run ended, if it did */
  #step(): Outcome | undefined {
    const { sim } = this.#world;
    const plan = this.#plan;
    if (this.#gone !== undefined) return this.#gone;
    if (plan?.when.kind === 'event' && sim.events >= plan.when.count) this.#save();
    if (this.#saved && !plan?.checkpoint) return { kind: 'saved' };
    if (this.#ended !== undefined && !this.#follow()) {
      if (this.#failed) {
        throw new UserError(
          `the guest went on to its end (${shutdownName(this.#ended)}): nothing was saved`,
        );
      }
      if (plan !== undefined && !this.#saved) {
        throw new UserError(
          `the guest ended (${shutdownName(this.#ended)}) before ${describeWhen(plan.when)}: nothing was saved`,
        );
      }
      return { kind: 'ended', reason: this.#ended };
    }
    if (!sim.step()) throw new UserError('the guest waits for something that will never come');
    return undefined;
  }

  /** Takes up the domain that was made in place of the one that ended. @returns whether there is one */
  #follow(): boolean {
    if (!this.#restarting) return false;
    this.#restarting = false;
    const next = this.#world.xl.list().find(({ name, domid }) => name === this.#name && domid > 0);
    if (next === undefined || next.domid === this.#domid) return false;
    this.#domid = next.domid;
    this.#ended = undefined;
    return true;
  }
}
