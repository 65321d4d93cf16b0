/*
 * One host: a machine, its hypervisor, and dom0's daemons, wired as a dom0 wires them. The world is deterministic: files
 * and the console are its only way out, and both are handed in.
 */
import { Bridge } from '@port-xen/bridge';
import { type ControllerHost, DomainController } from '@port-xen/domain-controller';
import { Hypervisor } from '@port-xen/hypervisor';
import type { Sink } from '@port-xen/migration-stream';
import { Sim } from '@port-xen/sim';
import { type SaveOptions, Toolstack } from '@port-xen/toolstack';
import type { Engine } from '@port-xen/vcpu';
import { type BlockStore, Xbdback } from '@port-xen/xbdback';
import { Xenconsoled } from '@port-xen/xenconsoled';
import { Xennetback } from '@port-xen/xennetback';
import { Xenstored } from '@port-xen/xenstore';
import type { Host } from './host-options.ts';
import { UserError } from './user-error.ts';

/** What a host has beyond its guest's memory, in frames: M2P, Xen's tables, grant tables, and room to spare. */
const SPARE_FRAMES = 8192;
/** The largest host, 8 GiB: what a domain may have beyond that it cannot be given. */
const FRAMES_MAX = 2 ** 21;
const FRAMES_PER_MIB = 256;
/** How far apart the first domids and ports of neighbouring slots are when handles are to be disjoint. */
const DOMID_STRIDE = 100;
const PORT_STRIDE = 32;

/** @throws UserError when this machine has not so much to give */
const machineMemory = (frames: number): ArrayBuffer => {
  try {
    // Typed-array storage starts 16 bytes into a page; frames that straddle pages are slow to copy.
    return new ArrayBuffer(frames * 4096 + 8192);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UserError(
      `expected ${frames / FRAMES_PER_MIB} MiB for the host's memory, found less`,
    );
  }
};

export interface WorldOptions {
  readonly seed: number;
  readonly host: Host;
  readonly guestMemory_mib: number;
  readonly engine: Engine;
  /** The kernel's ELF file: a restored domain that reboots is built from it. */
  readonly kernel: Uint8Array;
  openDisk(path: string, mode: 'r' | 'w'): BlockStore;
  /** Each byte that a guest prints, once. */
  console(domid: number, bytes: Uint8Array): void;
  /** So many of the bytes that were typed for a guest are its own now. */
  readonly typed?: (domid: number, count: number) => void;
  /** The host as the domain controller has it, if it is not all of it. */
  controllerHost?(hv: Hypervisor): ControllerHost;
}

/** A host and everything that runs on it. */
export class World {
  readonly sim: Sim;
  readonly host: Host;
  readonly hv: Hypervisor;
  readonly xenstored: Xenstored;
  readonly consoled: Xenconsoled;
  /** What domains of xen-2.0 have in place of xenstored and consoled. */
  readonly controller: DomainController;
  readonly xbdback: Xbdback;
  /** What the host's network interfaces are on. */
  readonly xenbr0: Bridge;
  readonly xennetback: Xennetback;
  readonly xl: Toolstack;
  readonly #typed: ((domid: number, count: number) => void) | undefined;

  constructor(options: WorldOptions) {
    const { host, typed } = options;
    this.host = host;
    this.#typed = typed;
    this.sim = new Sim(options.seed);
    const wanted = options.guestMemory_mib * FRAMES_PER_MIB + SPARE_FRAMES;
    const frames = Math.min(wanted, FRAMES_MAX);
    const memory = machineMemory(frames);
    const hv = new Hypervisor({
      sim: this.sim,
      memory,
      byteOffset: 4080,
      slot: host.slot,
      ...(host.slotFrames !== undefined && { slotFrames: host.slotFrames }),
      frames,
      tscKhz: host.tscKhz,
      uptime_ns: host.uptime_ns,
      wallclock_ns: host.wallclock_ns,
      drift_ppb: host.drift_ppb,
      ...(host.disjoint
        ? { firstDomid: 1 + DOMID_STRIDE * host.slot, firstPort: 1 + PORT_STRIDE * host.slot }
        : {}),
    });
    this.hv = hv;
    const connections = new Map<number, () => void>();
    const xenstored = new Xenstored({
      sim: this.sim,
      onIntroduce: (domid, mfn, port) => {
        connections.get(domid)?.();
        const page = hv.dom0.mapForeign(domid, mfn);
        const local = hv.dom0.bindInterdomain(domid, port, () => xenstored.kick(domid));
        connections.set(domid, () => {
          hv.dom0.close(local);
          page.unmap();
        });
        return { ring: page.memory, notify: () => hv.dom0.notify(local) };
      },
      domainExists: (domid) => domid === 0 || hv.domains.has(domid),
      onRelease: (domid) => {
        connections.get(domid)?.();
        connections.delete(domid);
      },
    });
    this.xenstored = xenstored;
    hv.onDomainShutdown((domid) => xenstored.domainShutdown(domid));
    this.consoled = new Xenconsoled({
      hv,
      xenstored,
      output: options.console,
      ...(typed !== undefined && { onTaken: typed }),
    });
    this.xbdback = new Xbdback({ sim: this.sim, hv, xenstored, open: options.openDisk });
    this.xenbr0 = new Bridge({ sim: this.sim, name: 'xenbr0', slot: host.slot });
    this.xennetback = new Xennetback({
      sim: this.sim,
      hv,
      xenstored,
      bridge: (name) => (name === this.xenbr0.name ? this.xenbr0 : undefined),
    });
    this.controller = new DomainController({
      hv: options.controllerHost?.(hv) ?? hv,
      blocks: this.xbdback,
      nets: this.xennetback,
      output: options.console,
    });
    this.xl = new Toolstack({
      sim: this.sim,
      hv,
      xenstored,
      controller: this.controller,
      engineFor: () => options.engine,
      kernelFor: () => options.kernel,
    });
  }

  /** Saves a domain, with the virtual time that it takes. @throws Error that says why it was not saved; it goes on then */
  save(domid: number, sink: Sink, options: SaveOptions = {}): void {
    let outcome: Error | null | undefined;
    this.xl.save(domid, sink, options, (error) => {
      outcome = error;
    });
    this.sim.runUntil(() => outcome !== undefined);
    if (outcome instanceof Error) throw outcome;
  }

  /** Types at a domain's console. A domain that is no more takes nothing. */
  type(domid: number, bytes: Uint8Array): void {
    if (!this.hv.domains.has(domid)) return;
    if (this.xl.configOf(domid).interface !== 'xen-2.0') this.consoled.input(domid, bytes);
    else {
      this.controller.input(domid, bytes);
      // It keeps what waits from one control interface to the next, and tells of what it cannot keep.
      this.#typed?.(domid, bytes.length);
    }
  }
}
