/*
 * What the questions are answered from: a domain that boots, works, is saved, and goes on on another host of another world, in one
 * process, with its memory looked at wherever it matters:
 *
 *     boot ── work ── suspended ▢ ── saved ──▶ restored ▢ ── unpaused ── resumed ▢ ── done
 *
 * Hosts give out frames from disjoint slots, so a frame number says by itself which host it is of.
 */
import { __HYPERVISOR_event_channel_op, __HYPERVISOR_mmuext_op } from '@port-xen/abi';
import type { TextEngine } from '@port-xen/kern';
import { MemoryImage, type RecordPlace, sourceOfFile } from '@port-xen/migration-stream';
import type { DomainConfig } from '@port-xen/toolstack';
import { type Engine, RIP } from '@port-xen/vcpu';
import type { BlockStore } from '@port-xen/xbdback';
import { type Guest, makeGuest } from '../guest.ts';
import { completeHost } from '../host-options.ts';
import { ImageIndex } from '../image/image-index.ts';
import { World } from '../world.ts';
import { fullerKernel } from './fuller-kernel.ts';
import { lookAt, type Still } from './still.ts';
import { type Said, StoreTalk } from './store-talk.ts';
import { watchMethods } from './watched-methods.ts';

const SLOTS = [41, 42] as const;
const SEED = 2008;
const MEMORY_MIB = 16;
const DISK_SECTORS = 4096;
/** Requests after which it is saved: in the midst of its work. */
const REQUESTS = 20;
const RESUMED = 'domain resumed\n';

/** A hypercall and the life in which it was made. */
export interface Made {
  readonly life: 0 | 1;
  /** Number and arguments, as they were traced. */
  readonly call: readonly (number | string)[];
  /** Of an mmuext_op or event_channel_op: the first word of its argument, which is a command, or a virtual interrupt's number. */
  readonly first?: number;
}

/** A routine of the kernel's and the package that it is in. */
export interface Routine {
  readonly module: string;
  readonly name: string;
}

/** Routines, each once. */
class Routines {
  readonly #ran = new Map<string, Routine>();

  add(module: string, name: string): void {
    const key = `${module} ${name}`;
    if (!this.#ran.has(key)) this.#ran.set(key, { module, name });
  }

  get all(): readonly Routine[] {
    return [...this.#ran.values()];
  }
}

/** All that was seen of the two lives. */
export interface Lives {
  readonly guest: Guest;
  readonly worlds: readonly [World, World];
  /** When it was at work, before it was asked to suspend. */
  readonly working: Still;
  /** When the domain had suspended, before the toolstack touched anything. */
  readonly suspended: Still;
  /** When the toolstack had restored it, before it ran. */
  readonly restored: Still;
  /** When it had resumed, and its disk was served again. */
  readonly resumed: Still;
  readonly hypercalls: readonly Made[];
  /** What is in the save file. */
  readonly records: readonly RecordPlace[];
  /** The kernel's routines that ran in each life, in the order of their first run: entry points, and methods of the watched packages. */
  readonly ran: readonly [readonly Routine[], readonly Routine[]];
  /** What the domain and xenstore said to each other in each life. */
  readonly store: readonly [readonly Said[], readonly Said[]];
  /** What the kernel printed, in each life. */
  readonly printed: readonly [string, string];
}

/** A disk whose sectors say their number. */
export const numberedDisk = (): BlockStore => ({
  sectors: DISK_SECTORS,
  read: (sector, into) => {
    for (let at = 0; at < into.length; at += 4) into[at] = (sector + at) & 0xff;
  },
  write: () => {
    throw new Error('the disk is read-only');
  },
  flush: () => {},
  close: () => {},
});

const CONFIG: DomainConfig = {
  name: 'question',
  uuid: '20080612-0000-4000-8000-717565737469',
  maxVcpus: 2,
  availVcpus: [0, 1],
  maxMem_kib: MEMORY_MIB * 1024,
  targetMem_kib: MEMORY_MIB * 1024,
  cmdline: 'xennet0=10.0.0.2/24 init=sha256 /dev/xbd0',
  disks: [{ pdevPath: 'numbered', vdev: 'xvda', format: 'raw', readwrite: false }],
  nics: [{ devid: 0, mac: '00:16:3e:00:00:08', bridge: 'xenbr0' }],
  onPoweroff: 'destroy',
  onReboot: 'restart',
  onWatchdog: 'destroy',
  onCrash: 'destroy',
  onSoftReset: 'soft_reset',
};

const firstOf = (
  { hv }: World,
  domid: number,
  [number, a, b]: Made['call'],
): number | undefined => {
  const memory = hv.domains.get(domid)?.vcpus[0]?.memory;
  if (number === __HYPERVISOR_mmuext_op) return memory?.ld32(a as number);
  return number === __HYPERVISOR_event_channel_op ? memory?.ld32(b as number) : undefined;
};

/** The guest has read that the back end of its network interface is Connected. */
const isNetworkUp = ({ request, path, value }: Said): boolean =>
  request === 'read' && /backend\/vif\/.*\/state$/.test(path) && value === '4';

/** Lives the two lives. @param onHypercall told of each while it is made */
export const liveTwice = (onHypercall: (made: Made) => void = () => {}): Lives => {
  const ran = [new Routines(), new Routines()] as const;
  const heard = { life: 0 as 0 | 1 };
  const lives = watchMethods(
    (module, method) => ran[heard.life].add(module, method),
    () => liveAndListen(ran, heard, onHypercall),
  );
  return { ...lives, ran: [ran[0].all, ran[1].all] };
};

const liveAndListen = (
  ran: readonly [Routines, Routines],
  heard: { life: 0 | 1 },
  onHypercall: (made: Made) => void,
): Omit<Lives, 'ran'> => {
  const guest = makeGuest(false, fullerKernel);
  const { image: kernel } = guest.engine;
  const moduleOf = new Map(kernel.entries.map(({ symbol, module }) => [symbol, module]));
  const hypercalls: Made[] = [];
  const printed = ['', ''];
  const talks = [new StoreTalk(), new StoreTalk()] as const;
  const make = (life: 0 | 1): World => {
    const world: World = new World({
      seed: SEED + life,
      host: completeHost({ disjoint: true }, SEED + life, SLOTS[life]),
      guestMemory_mib: MEMORY_MIB,
      engine: watchedEngine(
        guest.engine,
        () => world.sim.now_ns,
        (symbol) => {
          ran[life].add(moduleOf.get(symbol) ?? '', symbol);
        },
      ),
      kernel: guest.elf,
      openDisk: numberedDisk,
      console: (_, bytes) => {
        printed[life] += Buffer.from(bytes).toString('latin1');
      },
    });
    world.sim.trace.listen((kind, id, particulars) => {
      if (kind === 'hypercall') {
        const call = [...particulars];
        const first = firstOf(world, id, call);
        const made = first === undefined ? { life, call } : { life, call, first };
        hypercalls.push(made);
        onHypercall(made);
      }
      if (kind === 'xenstore' && id !== 0) talks[life].hear(id, particulars);
    });
    return world;
  };

  const here = make(0);
  const domid = here.xl.create(CONFIG, guest.elf);
  here.sim.runUntil(() => here.xbdback.completed >= REQUESTS);
  const working = lookAt(here, domid);
  const image = new MemoryImage();
  let still: Still | undefined;
  const write = (chunks: readonly Uint8Array[]): void => {
    still ??= lookAt(here, domid);
    image.write(chunks);
  };
  here.save(domid, { write });
  if (still === undefined) throw new Error('the save wrote nothing');

  heard.life = 1;
  const there = make(1);
  const { domid: again } = there.xl.restore(sourceOfFile(image));
  const restored = lookAt(there, again);
  there.xl.unpause(again);
  there.sim.runUntil(
    () =>
      printed[1]?.includes(RESUMED) === true &&
      there.xbdback.completed > 0 &&
      talks[1].said.some(isNetworkUp),
  );
  return {
    guest,
    worlds: [here, there],
    working,
    suspended: still,
    restored,
    resumed: lookAt(there, again),
    hypercalls,
    records: new ImageIndex(image).records,
    store: [talks[0].said, talks[1].said],
    printed: [printed[0] ?? '', printed[1] ?? ''],
  };
};

/** Runs an engine an instruction at a time, and tells the entry points of the kernel that it comes to. */
export const watchedEngine = (
  engine: TextEngine,
  now_ns: () => number,
  onEntry: (symbol: string) => void,
): Engine => {
  const names = new Map([...engine.image.symbols].map(([name, address]) => [address, name]));
  return {
    run: (vcpu, budget_ns) => {
      const end_ns = now_ns() + budget_ns;
      do {
        const symbol = names.get(vcpu.registers.get(RIP));
        if (symbol !== undefined && !symbol.includes('.')) onEntry(symbol);
        engine.run(vcpu, 1);
      } while (now_ns() < end_ns && !vcpu.stop);
    },
  };
};
