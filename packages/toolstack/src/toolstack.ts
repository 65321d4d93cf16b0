/*
 * What xl and libxl do for domains of one host: make them, save them, restore them, and see to what becomes of them when
 * they shut down. Everything that takes time takes virtual time; what it needs of the guest it asks for through xenstore
 * and sees in Xen, as any toolstack must.
 */
import type { Sink, Source } from '@port-xen/migration-stream';
import type { StoreClient } from '@port-xen/xenstore';
import { planBuild } from './build-plan.ts';
import { configOf, NO_CONFIG } from './config-of-image.ts';
import type { ControlPath } from './control-path.ts';
import { ControllerPath } from './controller-path.ts';
import { type DiskRow, diskRows } from './disk-list.ts';
import type { DiskConfig, DomainConfig, ShutdownAction } from './domain-config.ts';
import { type DomainRow, domainRows } from './domain-list.ts';
import { DomainMaker, type MadeDomain } from './domain-maker.ts';
import { DomainSave, isUsersError } from './domain-save.ts';
import { hex } from './hex.ts';
import { actionFor, outcomeOf, reasonText } from './life-cycle.ts';
import { type RestoreHooks, restoreImage } from './restore-image.ts';
import { makeDomain0 } from './store-skeleton.ts';
import { ToolstackError } from './toolstack-error.ts';
import type {
  ExitListener,
  Restored,
  RestoreOptions,
  SaveOptions,
  ToolstackParts,
} from './toolstack-parts.ts';
import { vdevNumber } from './vdev.ts';
import { WatchTokens } from './watch-tokens.ts';
import { XenstorePath } from './xenstore-path.ts';

/** A daemon that waits for a domain's end takes so long to see to it. */
const REACTION_NS = 1_000_000;

/** Methods throw ToolstackError for what the user got wrong, XenError for what Xen refuses; then nothing has changed. */
export class Toolstack {
  readonly #parts: ToolstackParts;
  readonly #store: StoreClient;
  readonly #maker: DomainMaker;
  readonly #saves = new Map<number, DomainSave>();
  readonly #listeners: ExitListener[] = [];
  readonly #paths: { readonly 'xen-3.0': ControlPath; readonly 'xen-2.0': ControlPath };

  constructor(parts: ToolstackParts) {
    this.#parts = parts;
    const tokens = new WatchTokens();
    this.#store = parts.xenstored.connect(0, (_, token) => tokens.fired(token));
    makeDomain0(this.#store);
    this.#paths = {
      'xen-3.0': new XenstorePath(parts.hv, this.#store, tokens),
      'xen-2.0': new ControllerPath(parts.hv, this.#store, parts.controller),
    };
    this.#maker = new DomainMaker(parts.sim, parts.hv, this.#store, (config) =>
      this.#pathOf(config),
    );
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
    const { interface: name } = plan.image;
    // The kernel may be for another Xen than configurations are for that say nothing: the save file is to say so.
    const said = name === 'xen-3.0' ? config : { ...config, interface: name };
    const domid = this.#maker.build(said, engine, plan);
    if (!options.paused) this.unpause(domid);
    return domid;
  }

  /**
   * Suspends a domain and writes its save file (`xl save`); then destroys it, or has it go on (`-c`). If anything fails
   * after it suspended, it goes on. If the guest does not suspend in time, it goes on too, and should it do so later, it is
   * resumed.
   *
   * @param done called once, later; never from within this call
   */
  save(domid: number, sink: Sink, options: SaveOptions, done: (error: Error | null) => void): void {
    const made = this.#known(domid);
    if (this.#saves.get(domid)?.underWay) {
      throw new ToolstackError(`domain ${domid} is being saved already`);
    }
    if (this.#parts.hv.domctl.getDomainInfo(domid).shutdown) {
      throw new ToolstackError(`expected domain ${domid} to run, found it shut down`);
    }
    const parts = {
      host: this.#parts,
      path: this.#pathOf(made.config),
      maker: this.#maker,
      destroy: () => this.destroy(domid),
    };
    const save = new DomainSave(parts, made, sink, options, (error) => {
      if (save.isOver) this.#saves.delete(domid);
      done(error);
    });
    this.#saves.set(domid, save);
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
    this.#saves.get(domid)?.domainGone();
    this.#saves.delete(domid);
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
    this.#pathOf(config).detachDisk(domid, vdev, (error) => {
      if (error === null) this.#maker.forgetDisk(domid, devid);
      done(error);
    });
  }

  /** A domain's disks (`xl block-list`). */
  listDisks(domid: number): DiskRow[] {
    return diskRows(this.#store, domid, this.#known(domid).config.disks);
  }

  pause(domid: number): void {
    this.#parts.hv.domctl.pauseDomain(domid);
  }

  unpause(domid: number): void {
    this.#parts.hv.domctl.unpauseDomain(domid);
    this.#tell(`domain ${domid}: unpaused`);
  }

  /** Asks the guest to power off or to reboot. */
  requestShutdown(domid: number, how: 'poweroff' | 'reboot' | 'halt'): void {
    this.#pathOf(this.#known(domid).config).requestShutdown(domid, how);
    this.#tell(`domain ${domid}: asked to ${how}`);
  }

  /** Sends the guest a key (`xl sysrq`). @param key one character */
  sysrq(domid: number, key: string): void {
    if (!/^[\x21-\x7e]$/.test(key)) {
      throw new ToolstackError(`expected one key, found ${JSON.stringify(key)}`);
    }
    this.#pathOf(this.#known(domid).config).sysrq(domid, key);
  }

  /** The target that the guest's balloon is to follow (`xl mem-set`). @param target_mib up to what the domain may have */
  setMemoryTarget(domid: number, target_mib: number): void {
    const { config } = this.#known(domid);
    const max_mib = config.maxMem_kib / 1024;
    if (!(target_mib >= 1 && target_mib <= max_mib)) {
      throw new ToolstackError(
        `expected 1 to ${max_mib} MiB for domain ${domid}, found ${target_mib}`,
      );
    }
    this.#pathOf(config).setMemoryTarget(domid, Math.floor(target_mib * 1024));
  }

  list(): DomainRow[] {
    return domainRows(this.#parts.hv, this.#store);
  }

  /** The configuration of a domain that was made here, as a save would write it now. */
  configOf(domid: number): DomainConfig {
    return this.#maker.configOf(this.#known(domid).domid) as DomainConfig;
  }

  onExit(listener: ExitListener): void {
    this.#listeners.push(listener);
  }

  #pathOf({ interface: name = 'xen-3.0' }: DomainConfig): ControlPath {
    return this.#paths[name];
  }

  #known(domid: number): MadeDomain {
    const made = this.#maker.get(domid);
    if (made !== undefined) return made;
    throw new ToolstackError(`domain ${domid} is an invalid domain identifier: no such domain`);
  }

  #shutDown(domid: number, reason: number): void {
    const made = this.#maker.get(domid);
    if (this.#saves.get(domid)?.domainShutDown(reason) || made === undefined) return;
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
