/*
 * What xl and libxl do for domains of one host: make them, save them, restore them, and see to what becomes of them when
 * they shut down. Everything that takes time takes virtual time; what it needs of the guest it asks for through xenstore
 * and sees in Xen, as any toolstack must.
 */
import { ModelBug } from '@port-xen/hypervisor';
import { type Sink, type Source, WriterBug } from '@port-xen/migration-stream';
import type { StoreClient } from '@port-xen/xenstore';
import { planBuild } from './build-plan.ts';
import { toJson } from './config-json.ts';
import { configOf, NO_CONFIG } from './config-of-image.ts';
import { DeviceRemoval } from './device-removal.ts';
import type { DiskConfig, DomainConfig, ShutdownAction } from './domain-config.ts';
import { type DomainRow, domainRows } from './domain-list.ts';
import { DomainMaker, type MadeDomain } from './domain-maker.ts';
import { hex } from './hex.ts';
import { actionFor, outcomeOf, reasonText } from './life-cycle.ts';
import { type RestoreHooks, restoreImage } from './restore-image.ts';
import { resumeDomain } from './resume-domain.ts';
import { saveImage } from './save-image.ts';
import { domainPath } from './store-paths.ts';
import { makeDomain0 } from './store-skeleton.ts';
import { SuspendRequest } from './suspend-request.ts';
import { ToolstackError } from './toolstack-error.ts';
import type {
  ExitListener,
  Restored,
  RestoreOptions,
  SaveOptions,
  ToolstackParts,
} from './toolstack-parts.ts';
import { vdevNumber } from './vdev.ts';

/** A daemon that waits for a domain's end takes so long to see to it. */
const REACTION_NS = 1_000_000;

/** Whether it is something that can be told and lived with, as opposed to a bug of the machine's or of ours. */
const isUsersError = (error: unknown): error is Error =>
  error instanceof Error && !(error instanceof ModelBug) && !(error instanceof WriterBug);

/** Methods throw ToolstackError for what the user got wrong, XenError for what Xen refuses; then nothing has changed. */
export class Toolstack {
  readonly #parts: ToolstackParts;
  readonly #store: StoreClient;
  readonly #maker: DomainMaker;
  readonly #suspending = new Map<number, SuspendRequest>();
  readonly #listeners: ExitListener[] = [];
  #tokens = 0;
  readonly #watches = new Map<string, () => void>();

  constructor(parts: ToolstackParts) {
    this.#parts = parts;
    this.#store = parts.xenstored.connect(0, (_, token) => this.#watches.get(token)?.());
    makeDomain0(this.#store);
    this.#maker = new DomainMaker(parts.sim, parts.hv, this.#store);
    parts.hv.onDomainShutdown((domid, reason) => this.#shutDown(domid, reason));
  }

  /**
   * Makes a domain and starts it (`xl create`).
   *
   * @param kernelElf taken for hostile
   * @param options.paused leaves it paused (`-p`)
   * @returns its domid
   */
  create(config: DomainConfig, kernelElf: Uint8Array, options: { paused?: boolean } = {}): number {
    const plan = planBuild(config, kernelElf);
    const engine = this.#parts.engineFor(kernelElf, config);
    const domid = this.#maker.build(config, engine, plan);
    if (!options.paused) this.unpause(domid);
    return domid;
  }

  /**
   * Suspends a domain and writes its save file (`xl save`); then destroys it, or has it go on (`-c`). If anything fails
   * after it suspended, it goes on.
   *
   * @param done called once, later; never from within this call
   */
  save(domid: number, sink: Sink, options: SaveOptions, done: (error: Error | null) => void): void {
    const made = this.#known(domid);
    if (this.#suspending.has(domid))
      throw new ToolstackError(`domain ${domid} is being saved already`);
    if (this.#parts.hv.domctl.getDomainInfo(domid).shutdown) {
      throw new ToolstackError(`expected domain ${domid} to run, found it shut down`);
    }
    const token = `suspend ${this.#tokens++}`;
    const request = new SuspendRequest(this.#parts.hv, this.#store, domid, token, (error) => {
      this.#suspending.delete(domid);
      this.#watches.delete(token);
      done(error ?? this.#write(made, sink, options.checkpoint ?? false));
    });
    this.#watches.set(token, () => request.nodeChanged());
    this.#suspending.set(domid, request);
  }

  /**
   * Makes a domain of a save file (`xl restore -p`): it is left paused.
   *
   * @throws StreamError, ToolstackError, XenError, or what `checkKernel` threw; nothing is left then
   */
  restore(source: Source, options: RestoreOptions = {}): Restored {
    let config = options.config;
    let made: MadeDomain | undefined;
    const warnings: string[] = [];
    const hooks: RestoreHooks = {
      warn: (sentence) => {
        warnings.push(sentence);
        this.#tell(`warning: ${sentence}`);
      },
      config: (text, format) => {
        config ??= configOf(text, format, this.#parts.sim.random);
      },
      makeDomain: () => {
        if (config === undefined) throw new ToolstackError(NO_CONFIG);
        made = this.#maker.make(config, this.#parts.engineFor(undefined, config), undefined);
        return made;
      },
      checkKernel: options.checkKernel ?? (() => {}),
    };
    try {
      const restored = restoreImage(this.#parts.hv, source, hooks, ['xl']);
      const { target, handles, memory, summary, pinned } = restored;
      this.#maker.introduce(target, handles, memory.mfnOf);
      this.#tell(
        `domain ${target.domid}: restored from ${summary.size} bytes, ${summary.records} records: ${summary.pages} pages sent, ${pinned} page tables pinned, vcpus ${summary.vcpus.join(', ')}`,
      );
      return { domid: target.domid, config: target.config, warnings };
    } catch (error) {
      if (made !== undefined) this.destroy(made.domid);
      throw error;
    }
  }

  /** Ends a domain at once, and removes all that was made for it (`xl destroy`). */
  destroy(domid: number): void {
    this.#known(domid);
    this.#suspending.get(domid)?.domainGone();
    this.#maker.destroy(domid);
    this.#tell(`domain ${domid}: destroyed`);
  }

  /** Gives a running domain a disk (`xl block-attach`). */
  attachDisk(domid: number, disk: DiskConfig): void {
    this.#known(domid);
    this.#maker.attachDisk(domid, disk);
    this.#tell(`domain ${domid}: ${disk.vdev} attached`);
  }

  /**
   * Takes a disk from a running domain (`xl block-detach`).
   *
   * @param done called once, later; never from within this call
   */
  detachDisk(domid: number, vdev: string, done: (error: Error | null) => void): void {
    const { config } = this.#known(domid);
    const devid = vdevNumber(vdev);
    if (!config.disks.some((disk) => vdevNumber(disk.vdev) === devid)) {
      throw new ToolstackError(`domain ${domid} has no device ${vdev}`);
    }
    const token = `remove ${this.#tokens++}`;
    const device = { domid, kind: 'vbd', devid } as const;
    const removal = new DeviceRemoval(this.#parts.sim, this.#store, device, token, (error) => {
      this.#watches.delete(token);
      if (error === null) this.#maker.forgetDisk(domid, devid);
      done(error);
    });
    this.#watches.set(token, () => removal.stateChanged());
  }

  pause(domid: number): void {
    this.#parts.hv.domctl.pauseDomain(domid);
  }

  unpause(domid: number): void {
    this.#parts.hv.domctl.unpauseDomain(domid);
    this.#tell(`domain ${domid}: unpaused`);
  }

  /** Asks the guest to power off or to reboot, through control/shutdown. */
  requestShutdown(domid: number, how: 'poweroff' | 'reboot' | 'halt'): void {
    this.#known(domid);
    this.#store.write(`${domainPath(domid)}/control/shutdown`, how);
    this.#tell(`domain ${domid}: asked to ${how}`);
  }

  list(): DomainRow[] {
    return domainRows(this.#parts.hv, this.#store);
  }

  /** The configuration of a domain that was made here. */
  configOf(domid: number): DomainConfig {
    return this.#known(domid).config;
  }

  onExit(listener: ExitListener): void {
    this.#listeners.push(listener);
  }

  #known(domid: number): MadeDomain {
    const made = this.#maker.get(domid);
    if (made !== undefined) return made;
    throw new ToolstackError(`domain ${domid} is an invalid domain identifier: no such domain`);
  }

  /** The domain has suspended: writes the file. @returns what went wrong */
  #write({ domid, config }: MadeDomain, sink: Sink, checkpoint: boolean): Error | null {
    const { hv } = this.#parts;
    try {
      const report = saveImage(hv, domid, toJson(config), sink);
      this.#tell(
        `domain ${domid}: saved: ${report.bytes} bytes, ${report.data_pages} ordinary pages, ${report.table_pages} page tables, ${report.absent_pages} without a page`,
      );
    } catch (error) {
      if (!isUsersError(error)) throw error;
      this.#tell(`domain ${domid}: Failed to save domain, resuming domain: ${error.message}`);
      resumeDomain(hv, this.#store, domid);
      return error;
    }
    if (checkpoint) resumeDomain(hv, this.#store, domid);
    else this.destroy(domid);
    return null;
  }

  #shutDown(domid: number, reason: number): void {
    const request = this.#suspending.get(domid);
    request?.domainShutDown(reason);
    const made = this.#maker.get(domid);
    if (made === undefined || (request !== undefined && reasonText(reason) === 'suspend')) return;
    const action = actionFor(made.config, reason);
    this.#tell(
      `domain ${domid}: shut down, ${reasonText(reason)} (code ${hex(reason)}): ${action}`,
    );
    this.#parts.sim.after(REACTION_NS, () => this.#react(made, reason, action));
  }

  #react(made: MadeDomain, reason: number, action: ShutdownAction): void {
    if (this.#maker.get(made.domid) !== made) return;
    const { old, again } = outcomeOf(action);
    const kernel = made.kernel ?? this.#parts.kernelFor?.(made.config);
    if (old === 'rename') this.#maker.setAside(made.domid);
    else if (old === 'destroy') this.destroy(made.domid);
    for (const listener of this.#listeners) listener(made.domid, reason, action);
    if (!again) return;
    if (kernel === undefined) {
      this.#tell(`domain ${made.domid}: cannot be started again: its kernel is not known`);
      return;
    }
    try {
      this.create(made.config, kernel);
    } catch (error) {
      if (!isUsersError(error)) throw error;
      this.#tell(`domain ${made.domid}: cannot be started again: ${error.message}`);
    }
  }

  #tell(text: string): void {
    this.#parts.sim.tell('toolstack', text);
  }
}
