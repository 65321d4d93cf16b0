import { B_READ } from '@port-xen/kern';
import { TestGuest, type TestGuestOptions, USER_BASE } from '@tooling/guest-testbed';
import { type MemoryDisk, memoryDisk } from '@tooling/testbed';
import { image } from './probe.ts';

const SECTOR = 512;
const CONNECTED = 1;

/** What probe_fill puts at byte i. */
export const byteOf = (seed: number, i: number): number => (seed * 7 + i * 13 + (i >>> 8)) & 0xff;

export const pattern = (seed: number, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => byteOf(seed, i));

/** A request that the back end took, as it was traced. */
export interface TracedRequest {
  readonly device: number;
  readonly operation: number;
  readonly id: number;
  readonly sector: number;
  readonly segments: number;
  readonly sectors: number;
}

/** A test kernel with disks, whatever carries their requests. */
export class ProbeGuest extends TestGuest {
  /** Waits for the back end to serve a disk. */
  connected(unit = 0): void {
    for (let i = 0; this.call('probe_status', unit) !== CONNECTED; i++) {
      if (i === 100) throw new Error(`expected xbd${unit} to be connected\n${this.console}`);
      this.host.runFor(1e6);
    }
  }

  read(blkno: number, address: number, length: number, unit = 0): number {
    return this.call('probe_io', unit, B_READ, blkno, address, length);
  }

  write(blkno: number, address: number, length: number, unit = 0): number {
    return this.call('probe_io', unit, 0, blkno, address, length);
  }

  /** Asks for one-sector writes of bufs `from` to `to`, buf n's to sector n, and does not wait. */
  submit(from: number, to: number, flags = 0, unit = 0): void {
    for (let n = from; n < to; n++) {
      this.call('probe_submit', unit, n, flags, n, USER_BASE + n * SECTOR);
    }
  }

  /** The bufs that were answered, in their order. */
  get ended(): number[] {
    return Array.from({ length: this.call('probe_nended') }, (_, i) => this.call('probe_ended', i));
  }

  /** Writes down what the back end of the host of the moment takes from now on. */
  traceRequests(): TracedRequest[] {
    const taken: TracedRequest[] = [];
    this.host.sim.trace.listen((_kind, _domid, [name, ...numbers]) => {
      if (name !== 'blk-request') return;
      const [device, operation, id, sector, segments, sectors] = numbers as number[];
      taken.push({ device, operation, id, sector, segments, sectors } as TracedRequest);
    });
    return taken;
  }

  /** Lets the back end swallow the answers that `which` says. */
  swallow(which: (id: number, device: number) => boolean): void {
    this.host.sim.faults.arm('xbdback.answer', ([, device, id]) =>
      which(Number(id), Number(device)),
    );
  }
}

/** The probe kernel in a domain with a disk of 1024 sectors. */
export class DiskGuest extends ProbeGuest {
  readonly disk: MemoryDisk;

  constructor(options: TestGuestOptions, disk: MemoryDisk = memoryDisk(1024 * SECTOR)) {
    super(image, { disks: { xvda: disk }, ...options });
    this.disk = disk;
    if (options.disks === undefined || 'xvda' in options.disks) this.connected();
  }
}
