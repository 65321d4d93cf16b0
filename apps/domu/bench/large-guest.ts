/*
 * A guest of any size that counts, on a host of its own, for measuring what saving and restoring it take.
 */
import { XEN_DOMCTL_PFINFO_NOTAB } from '@port-xen/abi';
import type { Sink } from '@port-xen/migration-stream';
import type { DomainConfig } from '@port-xen/toolstack';
import { FileSink } from '../src/file-stream.ts';
import type { Guest } from '../src/guest.ts';
import { completeHost } from '../src/host-options.ts';
import { World } from '../src/world.ts';

const COUNTING = /counter 1 /;
/** Where in a page that holds nothing a byte is put. */
const FILLED = 4000;
const NOTHING = Buffer.alloc(4096);

/** The domain's configuration, and the host it is on. */
export class LargeGuest {
  readonly world: World;
  readonly #config: DomainConfig;
  readonly #guest: Guest;
  #printed = '';

  /** @param slot the host's slot of machine frames */
  constructor(guest: Guest, mib: number, slot: number) {
    this.#guest = guest;
    this.#config = {
      name: 'large',
      uuid: '20080612-0000-4000-8000-717565737469',
      maxVcpus: 1,
      availVcpus: [0],
      maxMem_kib: mib * 1024,
      targetMem_kib: mib * 1024,
      cmdline: 'init=counter',
      disks: [],
      nics: [],
      onPoweroff: 'destroy',
      onReboot: 'restart',
      onWatchdog: 'destroy',
      onCrash: 'destroy',
      onSoftReset: 'soft_reset',
    };
    this.world = new World({
      seed: 1,
      host: completeHost({}, 1, slot),
      guestMemory_mib: mib,
      engine: guest.engine,
      kernel: guest.elf,
      openDisk: (path) => {
        throw new Error(`expected no disk, found ${path}`);
      },
      console: (_, bytes) => {
        this.#printed += Buffer.from(bytes).toString('latin1');
      },
    });
  }

  /** Runs until the first program has printed a line. @returns the domid */
  boot(): number {
    const domid = this.world.xl.create(this.#config, this.#guest.elf);
    while (!COUNTING.test(this.#printed)) this.world.sim.step();
    return domid;
  }

  /** Fills every page of the domain that holds nothing: a guest that has used all it has. */
  fill(domid: number): void {
    const { memory, firstMfn, frames, domctl } = this.world.hv;
    for (let mfn = firstMfn; mfn < firstMfn + frames; mfn++) {
      const [type] = domctl.pageFrameInfo(domid, Int32Array.of(mfn));
      const page = memory.frameBytes(mfn);
      if (type === XEN_DOMCTL_PFINFO_NOTAB && NOTHING.equals(page)) page[FILLED] = 1;
    }
  }

  /** Saves the domain into a file; it goes on. @returns how long it took, ms */
  save(domid: number, path: string): number {
    const start = performance.now();
    const sink = new FileSink(path);
    this.saveTo(domid, sink);
    sink.commit();
    return performance.now() - start;
  }

  /** Saves the domain into a sink; it goes on. */
  saveTo(domid: number, sink: Sink): void {
    this.world.save(domid, sink, { checkpoint: true });
  }
}
