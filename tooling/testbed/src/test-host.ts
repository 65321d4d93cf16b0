/*
 * One host put together as a person's world puts it together, with everything at hand that a test wants to look at:
 *
 *     Hypervisor ── Xenstored ── Xenconsoled (text collected) ── Xbdback (disks in memory) ── Xennetback (a bridge) ── Toolstack
 *
 * Any number of hosts can share a Sim. Hosts of different slots differ in all that must not travel: frame numbers, first
 * domid, first port, uptime, TSC frequency.
 */
import { Bridge } from '@port-xen/bridge';
import { DomainController } from '@port-xen/domain-controller';
import { Hypervisor, XEN2_SLOT_FRAMES } from '@port-xen/hypervisor';
import { MemoryImage, sourceOfFile } from '@port-xen/migration-stream';
import { Random, type Sim } from '@port-xen/sim';
import { type DomainConfig, type SaveOptions, Toolstack } from '@port-xen/toolstack';
import type { Engine } from '@port-xen/vcpu';
import { Xbdback } from '@port-xen/xbdback';
import { Xenconsoled } from '@port-xen/xenconsoled';
import { Xennetback } from '@port-xen/xennetback';
import { latin1, StoreAudit, type StoreClient, Xenstored } from '@port-xen/xenstore';
import { auditHost, type Conservation, countHost } from './conservation.ts';
import { ConsoleText } from './console-text.ts';
import { DOMAIN_DEFAULTS } from './domain-defaults.ts';
import { type FormerLife, formerLife } from './former-life.ts';
import type { MemoryDisk } from './memory-disk.ts';
import type { BootOptions, HostOptions, RestoreOptions } from './options.ts';
import { StaleHandles } from './stale-handles.ts';
import { StoreRings } from './store-rings.ts';
import { watchedDom0 } from './watched-dom0.ts';

const HOUR_NS = 3_600e9;
const DAY_NS = 24 * HOUR_NS;
const NEW_YEAR_2026_NS = 1_767_225_600e9;
const MIB = 1 << 20;
const STORY_LINES = 40;
/** How much virtual time something that is waited for may take, if nothing else is said. */
const PATIENCE_NS = 30e9;

/** Where the back end finds a disk. */
const targetOf = (name: string, vdev: string): string => `${name}/${vdev}`;

/** A host, its domains, and what a test asks of them. */
export class TestHost {
  readonly sim: Sim;
  readonly hv: Hypervisor;
  readonly xenstored: Xenstored;
  /** A connection of domain 0's, for looking and for meddling. */
  readonly store: StoreClient;
  /** Checks every node that anybody writes, and every device's states. */
  readonly storeAudit: StoreAudit;
  readonly consoled: Xenconsoled;
  readonly xbdback: Xbdback;
  /** Of domains of xen-2.0, in place of xenstored and consoled. */
  readonly controller: DomainController;
  readonly xennetback: Xennetback;
  /** What `bridge=xenbr0` means here. */
  readonly xenbr0: Bridge;
  readonly xl: Toolstack;
  /** What the back end can open, by target. */
  readonly disks = new Map<string, MemoryDisk>();
  /** How many of them the back end has open. */
  openDisks = 0;
  /** Frames that are Xen's own: its M2P and page tables. They never become more or fewer. */
  readonly xenFrames: number;
  /** The last lines of the story, for people who read why a test failed. */
  readonly story: string[] = [];
  readonly #console = new ConsoleText();
  readonly #shutdown = new Map<number, number>();
  readonly #watchers = new Map<number, StaleHandles>();
  /** The handles that domains had when they left with {@link saveToBytes}, by domid. */
  readonly formerLives = new Map<number, FormerLife>();
  #engine: Engine | undefined;

  constructor(options: HostOptions) {
    const { sim, slot = 0, mib = 64, processors = 1 } = options;
    this.sim = sim;
    this.hv = new Hypervisor({
      sim,
      memory: new ArrayBuffer(mib * MIB),
      slot,
      ...(options.interface === 'xen-2.0' && { slotFrames: XEN2_SLOT_FRAMES }),
      frames: mib * (MIB / 4096),
      tscKhz: options.tscKhz ?? 2_400_000 + slot * 100_000,
      uptime_ns: options.uptime_ns ?? HOUR_NS + slot * DAY_NS,
      wallclock_ns: options.wallclock_ns ?? NEW_YEAR_2026_NS,
      processors,
      firstDomid: options.firstDomid ?? 1 + 10 * slot,
      firstPort: options.firstPort ?? 1 + 3 * slot,
    });
    const { total, free, owned } = this.hv.counts();
    this.xenFrames = total - free - owned;
    sim.trace.listenToStory((time_ns, subsystem, text) => {
      this.story.push(`${(time_ns / 1e9).toFixed(6)} ${subsystem}: ${text}`);
      if (this.story.length > STORY_LINES) this.story.shift();
    });
    const rings = new StoreRings(this.hv.dom0, (domid) => this.xenstored.kick(domid));
    this.xenstored = new Xenstored({
      sim,
      onIntroduce: (domid, mfn, port) => rings.introduce(domid, mfn, port),
      domainExists: (domid) => domid === 0 || this.hv.domains.has(domid),
      onRelease: (domid) => rings.release(domid),
    });
    this.storeAudit = new StoreAudit(this.xenstored);
    this.store = this.xenstored.connect(0);
    // Before the toolstack: what a guest printed last is to be out before its pages are saved.
    this.consoled = new Xenconsoled({
      hv: this.hv,
      xenstored: this.xenstored,
      output: (domid, bytes) => this.#console.append(domid, latin1(bytes)),
    });
    this.hv.onDomainShutdown((domid, reason) => {
      this.#shutdown.set(domid, reason);
      this.xenstored.domainShutdown(domid);
    });
    const { slot: hostSlot, dom0 } = this.hv;
    const backendHost = {
      slot: hostSlot,
      dom0: watchedDom0(dom0, (domid) => this.#watchers.get(domid)),
    };
    this.xbdback = new Xbdback({
      sim,
      hv: backendHost,
      xenstored: this.xenstored,
      open: (target, mode) => {
        const disk = this.disks.get(target);
        if (disk === undefined) throw new Error(`expected a disk of this host, found ${target}`);
        const store = disk.open(mode);
        this.openDisks++;
        const close = (): void => {
          this.openDisks--;
          store.close();
        };
        return { ...store, close };
      },
    });
    this.xenbr0 = new Bridge({ sim, name: 'xenbr0', slot });
    this.xennetback = new Xennetback({
      sim,
      hv: backendHost,
      xenstored: this.xenstored,
      bridge: (name) => (name === this.xenbr0.name ? this.xenbr0 : undefined),
      features: options.netFeatures ?? {},
    });
    this.controller = new DomainController({
      hv: this.hv,
      blocks: this.xbdback,
      nets: this.xennetback,
      output: (domid, bytes) => this.#console.append(domid, latin1(bytes)),
    });
    this.xl = new Toolstack({
      sim,
      hv: this.hv,
      xenstored: this.xenstored,
      controller: this.controller,
      engineFor: () => this.#engine as Engine,
    });
  }

  /** Makes a domain from a kernel and starts it. @returns its domid */
  bootKernel(options: BootOptions): number {
    const { elf, engine, memoryMib = 16, name = 'guest', disks = {}, nics = [] } = options;
    this.#engine = engine;
    const config: DomainConfig = {
      ...DOMAIN_DEFAULTS,
      name,
      uuid: uuidOf(name),
      maxMem_kib: memoryMib * 1024,
      targetMem_kib: memoryMib * 1024,
      ...(options.cmdline !== undefined && { cmdline: options.cmdline }),
      disks: Object.entries(disks).map(([vdev, disk]) => {
        const target = targetOf(name, vdev);
        this.disks.set(target, disk);
        const readwrite = !options.readonlyDisks?.includes(vdev);
        return { pdevPath: target, vdev, format: 'raw', readwrite } as const;
      }),
      nics: nics.map((mac, devid) => ({ devid, mac, bridge: this.xenbr0.name })),
      ...options.config,
    };
    return this.xl.create(config, elf, { paused: options.paused ?? false });
  }

  /** All that the domain has printed here. */
  consoleText(domid: number): string {
    return this.#console.of(domid);
  }

  /** Lets virtual time pass. */
  runFor(ns: number): void {
    this.sim.runFor(ns);
  }

  /**
   * Runs the world until `done`.
   * @param what names it in the error
   * @throws Error when it takes more than `limit_ns` of virtual time, with the story's last lines
   */
  runUntil(what: string, done: () => boolean, limit_ns = PATIENCE_NS): void {
    const end_ns = this.sim.now_ns + limit_ns;
    this.sim.runUntil(() => done() || this.sim.now_ns > end_ns);
    if (done()) return;
    throw new Error(
      `expected ${what} within ${limit_ns / 1e9} s of virtual time, found none\n${this.story.join('\n')}`,
    );
  }

  /**
   * Runs until the domain has printed `text`, after whatever was waited for last.
   * @returns what it printed up to the end of `text`, from where the last wait ended
   * @throws Error when it does not, or shuts down before it does, with what it printed last
   */
  runUntilConsole(domid: number, text: string, limit_ns = PATIENCE_NS): string {
    const end_ns = this.sim.now_ns + limit_ns;
    const found = () => this.#console.has(domid, text);
    const ended = () => this.#endOf(domid) !== undefined;
    this.sim.runUntil(() => found() || ended() || this.sim.now_ns > end_ns);
    if (found()) return this.#console.take(domid, text);
    const reason = this.#endOf(domid);
    const why =
      reason === undefined ? `${limit_ns / 1e9} s passed` : `it shut down, reason ${reason}`;
    throw new Error(
      `expected domain ${domid} to print ${JSON.stringify(text)}, but ${why}; it printed last:\n${this.consoleText(domid).slice(-2000)}\n${this.story.join('\n')}`,
    );
  }

  /** Why the domain stands still, or is no more; undefined while it runs. */
  #endOf(domid: number): number | undefined {
    const domain = this.hv.domains.get(domid);
    return domain === undefined || domain.isShutDown ? this.#shutdown.get(domid) : undefined;
  }

  /**
   * Suspends the domain and gives its save file; the domain is destroyed, or goes on with `checkpoint`.
   * @throws what the toolstack says when the save fails; the domain goes on then
   */
  saveToBytes(domid: number, options: SaveOptions = {}): Uint8Array {
    const image = new MemoryImage();
    let result: Error | null | undefined;
    const sink = {
      write: (chunks: readonly Uint8Array[]) => {
        // It has suspended, and is still there.
        if (image.size === 0) this.formerLives.set(domid, formerLife(this, domid));
        image.write(chunks);
      },
    };
    this.xl.save(domid, sink, options, (error) => {
      result = error;
    });
    this.runUntil(`the save of domain ${domid} to end`, () => result !== undefined, 200e9);
    if (result instanceof Error) throw result;
    return image.bytes;
  }

  /** Makes a domain of a save file and starts it. @returns its domid */
  restoreFromBytes(bytes: Uint8Array, engine: Engine, options: RestoreOptions = {}): number {
    this.#engine = engine;
    for (const [vdev, disk] of Object.entries(options.disks ?? {})) {
      this.disks.set(targetOf(options.name ?? 'guest', vdev), disk);
    }
    const source = sourceOfFile(new MemoryImage(bytes));
    const { checkKernel } = options;
    const { domid } = this.xl.restore(source, checkKernel === undefined ? {} : { checkKernel });
    if (options.former !== undefined) {
      this.#watchers.set(domid, new StaleHandles(this, options.former, domid));
    }
    if (!options.paused) this.xl.unpause(domid);
    return domid;
  }

  /** What is held on this host at this moment. */
  counts(): Conservation {
    return countHost(this);
  }

  /** What is held on this host: compare two with `toEqual`. Lets what is under way end first: 10 ms. */
  conservation(): Conservation {
    this.runFor(10e6);
    return countHost(this);
  }

  /** What is wrong with the host's books, as sentences: `expect(host.audit()).toEqual([])`. */
  audit(): string[] {
    return auditHost(this);
  }
}

/** The same name, the same UUID: a test's world is the same twice. */
const uuidOf = (name: string): string => {
  const hex = new Random(0, name);
  const digits = Array.from({ length: 4 }, () => hex.next().toString(16).padStart(8, '0')).join('');
  return [0, 8, 12, 16, 20].map((from, i) => digits.slice(from, [8, 12, 16, 20, 32][i])).join('-');
};
