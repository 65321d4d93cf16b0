/*
 * One save of a domain, from the request to its end:
 *
 *     ask it to suspend ──┬─▶ it does not: it runs on, and nothing was done to it; should it suspend after all, it is resumed
 *                         └─▶ write the file ──┬─▶ whole: destroyed, or with `checkpoint` resumed
 *                                              └─▶ not whole: resumed
 *
 * It is resumed as its kernel wants it: where it was, if the kernel says that it knows what a suspend hypercall that returns 1
 * means (SUSPEND_CANCEL); otherwise as if it had been restored.
 */
import { SHUTDOWN_suspend } from '@port-xen/abi';
import { ModelBug } from '@port-xen/hypervisor';
import { type Sink, WriterBug } from '@port-xen/migration-stream';
import { toJson } from './config-json.ts';
import type { ControlPath, SuspendUnderWay } from './control-path.ts';
import type { DomainMaker, MadeDomain } from './domain-maker.ts';
import { kernelImage } from './kernel-image.ts';
import { ResetResume } from './reset-resume.ts';
import { resumeDomain } from './resume-domain.ts';
import { saveImage } from './save-image.ts';
import type { SaveOptions, ToolstackParts } from './toolstack-parts.ts';

/** Whether it is something that can be told and lived with, as opposed to a bug of the machine's or of ours. */
export const isUsersError = (error: unknown): error is Error =>
  error instanceof Error && !(error instanceof ModelBug) && !(error instanceof WriterBug);

/** What a save is made of. */
export interface SaveParts {
  readonly host: ToolstackParts;
  readonly path: ControlPath;
  readonly maker: DomainMaker;
  /** Destroys the domain: its file is whole. */
  readonly destroy: () => void;
}

/** A save, from its start until `done` has been called, once, and a little longer if the guest is late. */
export class DomainSave {
  readonly #parts: SaveParts;
  readonly #made: MadeDomain;
  readonly #sink: Sink;
  readonly #options: SaveOptions;
  readonly #done: (error: Error | null) => void;
  readonly #request: SuspendUnderWay;
  #resume: ResetResume | undefined;
  #state: 'under way' | 'late' | 'over' = 'under way';

  /** @param done called from an event of the world, never from here */
  constructor(
    parts: SaveParts,
    made: MadeDomain,
    sink: Sink,
    options: SaveOptions,
    done: (error: Error | null) => void,
  ) {
    this.#parts = parts;
    this.#made = made;
    this.#sink = sink;
    this.#options = options;
    this.#done = done;
    this.#request = parts.path.requestSuspend(made.domid, (error) => this.#answered(error));
  }

  /** Whether another save has to wait for this one. */
  get underWay(): boolean {
    return this.#state === 'under way';
  }

  /** Whether there is nothing left that it waits for, not even a guest that is late. */
  get isOver(): boolean {
    return this.#state === 'over';
  }

  /** @returns whether the domain's end is this save's to see to */
  domainShutDown(reason: number): boolean {
    if (this.#state === 'over') return false;
    if (this.#state === 'under way') this.#request.domainShutDown(reason);
    else if (reason === SHUTDOWN_suspend) {
      this.#tell('suspended when nobody waited for it any more');
      this.#state = 'under way';
      this.#goOn(() => {});
    }
    return reason === SHUTDOWN_suspend;
  }

  /** The domain is no more. */
  domainGone(): void {
    this.#request.domainGone();
    this.#resume?.domainGone();
  }

  #answered(error: Error | null): void {
    if (error !== null) {
      this.#state = this.#request.acknowledged ? 'late' : 'over';
      this.#done(error);
      return;
    }
    const failure = this.#write();
    if (failure === null && !this.#options.checkpoint) {
      this.#state = 'over';
      this.#parts.destroy();
      this.#done(null);
    } else this.#goOn((unresumed) => this.#done(failure ?? unresumed));
  }

  /** The domain has suspended: writes the file. @returns what went wrong */
  #write(): Error | null {
    const { domid } = this.#made;
    const config = toJson(this.#parts.maker.configOf(domid) ?? this.#made.config);
    try {
      const report = saveImage(this.#parts.host.hv, domid, config, this.#sink);
      this.#tell(
        `saved: ${report.bytes} bytes, ${report.data_pages} ordinary pages, ${report.table_pages} page tables, ${report.absent_pages} without a page`,
      );
      return null;
    } catch (error) {
      if (!isUsersError(error)) throw error;
      this.#tell(`Failed to save domain, resuming domain: ${error.message}`);
      return error;
    }
  }

  /** Has the suspended domain go on. @param then given what kept it from that */
  #goOn(then: (error: Error | null) => void): void {
    const { host, path } = this.#parts;
    const { domid } = this.#made;
    const over = (error: Error | null): void => {
      this.#state = 'over';
      then(error);
    };
    const how = this.#options.resume ?? (cooperates(host, this.#made) ? 'cooperative' : 'reset');
    if (how === 'reset') {
      try {
        this.#resume = new ResetResume({ ...this.#parts, hv: host.hv }, domid, over);
        return;
      } catch (error) {
        if (!isUsersError(error)) throw error;
        this.#tell(`cannot be resumed as if restored: ${error.message}`);
      }
    }
    resumeDomain(host.hv, path, domid);
    over(null);
  }

  #tell(text: string): void {
    this.#parts.host.sim.tell('toolstack', `domain ${this.#made.domid}: ${text}`);
  }
}

/** Whether a domain's kernel has SUSPEND_CANCEL in its notes. One that nobody knows is taken to have it, as xl takes all. */
const cooperates = (host: ToolstackParts, made: MadeDomain): boolean => {
  const kernel = made.kernel ?? host.kernelFor?.(made.config);
  return kernel === undefined || kernelImage(kernel).suspendCancel;
};
