import type { Frame, Port } from '@port-xen/bridge';
import { TestGuest, type TestGuestOptions } from '@tooling/guest-testbed';
import { createHost, type HostOptions, type TestHost } from '@tooling/testbed';
import { netKernel } from './kernel.ts';

export const MAC = '00:16:3e:00:00:01';

/** A host on whose bridge there is somebody who listens. */
export interface Lan {
  readonly host: TestHost;
  readonly peer: Port;
  /** What the peer heard, in order. */
  readonly heard: Frame[];
}

export const lan = (options: Partial<HostOptions> = {}): Lan => {
  const host = createHost({ mib: 32, ...options });
  const heard: Frame[] = [];
  const peer = host.xenbr0.attach('peer', { receive: (frame) => heard.push(frame) });
  return { host, peer, heard };
};

/** A domain with an interface that is up, and what it hears and says. */
export class NetGuest {
  readonly guest: TestGuest;
  lan: Lan;

  constructor(
    options: TestGuestOptions & {
      readonly on?: Partial<HostOptions>;
      readonly mtu?: number;
      /** How many interfaces; 1. The address of the first ends in 1, and so on. */
      readonly nics?: number;
    } = {},
  ) {
    const { on = {}, mtu, nics: count = 1, ...rest } = options;
    this.lan = lan(on);
    const nics = Array.from({ length: count }, (_, devid) => ({
      devid,
      mac: MAC.replace(/1$/, String(devid + 1)),
      bridge: 'xenbr0',
      ...(mtu !== undefined && { mtu }),
    }));
    const config = { nics };
    this.guest = new TestGuest(netKernel(), { ...rest, host: this.lan.host, config });
    this.settle();
  }

  get host(): TestHost {
    return this.lan.host;
  }

  call(symbol: string, ...args: readonly number[]): number {
    return this.guest.call(`test_${symbol}`, ...args);
  }

  /** Pages of its memory that the domain does not have at the moment. */
  get missingPages(): number {
    const domain = this.host.hv.counts().domains.find(({ domid }) => domid === this.guest.domid);
    return this.call('nr_pages') - (domain?.pages ?? 0);
  }

  /** Lets 50 ms pass: enough for a handshake, or for what is in the cables. */
  settle(): void {
    this.host.runFor(50e6);
  }

  /** Saves, and restores on the next host, which may be different in what it can do. */
  move(on: Partial<HostOptions> = {}): void {
    this.moveAtOnce(on);
    this.settle();
  }

  /** The same, without waiting for the new back end. */
  moveAtOnce(on: Partial<HostOptions> = {}): void {
    const image = this.guest.save();
    this.lan = lan({ slot: (this.host.hv.slot + 1) % 64, ...on });
    this.guest.restore(image, { host: this.lan.host });
  }

  /** What the peer heard since this was asked last: lengths. */
  heard(): number[] {
    this.settle();
    return this.lan.heard.splice(0).map(({ bytes }) => bytes.length);
  }

  /** A frame from the peer to the interface. */
  tell(length: number, checksum: Frame['checksum'] = 'none', to = 1): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = i * 7;
    bytes.set([0, 0x16, 0x3e, 0, 0, to, 0, 0x16, 0x3e, 0, 0, 9, 0x88, 0xb5]);
    this.lan.peer.send({ bytes, checksum });
    return bytes;
  }

  /** The last frames received: length, M_CSUM_*, sum of the bytes. */
  received(count: number): [length: number, csum: number, sum: number][] {
    this.settle();
    const total = this.call('received');
    return Array.from({ length: count }, (_, i) => {
      const place = total - count + i;
      return [this.call('length', place), this.call('csum', place), this.call('sum', place)];
    });
  }
}

export const sumOf = (bytes: Uint8Array): number => bytes.reduce((sum, byte) => sum + byte, 0);
