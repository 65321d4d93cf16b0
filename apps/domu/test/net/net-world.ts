/*
 * Domains of one world that talk to each other and change hosts:
 *
 *     host ─ xenbr0 ══ wire ══╗
 *     host ─ xenbr0 ══ wire ══╬═ lan          a host is left empty, and taken again for the next domain that moves
 *     host ─ xenbr0 ══ wire ══╝
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Bridge, completed, type Frame, joinBridges, type LinkQuality } from '@port-xen/bridge';
import { PcapngWriter } from '@port-xen/pcapng';
import { Sim } from '@port-xen/sim';
import { debianPackage } from '@tooling/peers';
import { createHost, type HostOptions, type MemoryDisk, type TestHost } from '@tooling/testbed';
import type { Guest } from '../../src/guest.ts';

const MEMORY_MIB = 16;
const PATIENCE_NS = 900e9;
const ETHERTYPE_IP = 0x0800;
const IPPROTO_TCP = 6;
const RST = 4;

/** A wire that loses a hundredth of what it carries, and brings as much of it late. */
export const LOSSY: Partial<LinkQuality> = {
  latency_ns: 100_000,
  bandwidth_bps: 1e9,
  loss_ppm: 10_000,
  reordering_ppm: 10_000,
};

/** What passed an interface. */
export interface Seen {
  readonly vif: string;
  readonly direction: 'in' | 'out';
  readonly time_ns: number;
  readonly frame: Frame;
}

/** A domain, wherever it is. */
export class Traveller {
  readonly name: string;
  readonly disks: Readonly<Record<string, MemoryDisk>>;
  host: TestHost;
  domid: number;
  /** What it printed on hosts that it left. */
  before = '';
  /** Why it ended. */
  ended: number | undefined;

  constructor(
    name: string,
    disks: Readonly<Record<string, MemoryDisk>>,
    host: TestHost,
    domid: number,
  ) {
    this.name = name;
    this.disks = disks;
    this.host = host;
    this.domid = domid;
  }

  /** All that it has printed. */
  get text(): string {
    return this.before + this.host.consoleText(this.domid);
  }
}

/** What a domain is booted with. */
export interface Boot {
  /** Its place in 10.9.0.0/24 and in its MAC address. */
  readonly address: number;
  readonly program: string;
  readonly disks?: Readonly<Record<string, MemoryDisk>>;
}

/** A domain's save file, and who it was. */
export interface Image {
  readonly of: Traveller;
  readonly bytes: Uint8Array;
}

export interface NetWorldOptions {
  readonly guest: Guest;
  readonly seed?: number;
  /** The slot of the first host. */
  readonly firstSlot?: number;
  readonly quality?: Partial<LinkQuality>;
  /** What is special about the host of a slot. */
  readonly host?: (slot: number) => Partial<HostOptions>;
}

export class NetWorld {
  readonly sim: Sim;
  readonly lan: Bridge;
  /** All that passed any interface, if it is kept. */
  readonly seen: Seen[] = [];
  readonly #options: NetWorldOptions;
  readonly #hosts: TestHost[] = [];
  readonly #travellers: Traveller[] = [];
  keepsFrames = true;
  /** Told of each TCP segment with RST that enters or leaves a guest. */
  onReset: () => void = () => {};

  constructor(options: NetWorldOptions) {
    this.#options = options;
    this.sim = new Sim(options.seed ?? 1);
    this.lan = new Bridge({ sim: this.sim, name: 'lan', slot: 63 });
  }

  get hosts(): readonly TestHost[] {
    return this.#hosts;
  }

  /** A host that has no domain. @param not one that is not to be taken */
  #emptyHost(not?: TestHost): TestHost {
    const empty = this.#hosts.find((host) => host !== not && !this.#isTaken(host));
    if (empty !== undefined) return empty;
    const slot = (this.#options.firstSlot ?? 0) + this.#hosts.length;
    const host = createHost({
      sim: this.sim,
      mib: MEMORY_MIB + 24,
      slot,
      ...this.#options.host?.(slot),
    });
    joinBridges(host.xenbr0, this.lan, this.#options.quality);
    host.xennetback.listen(({ name }, direction, frame) => {
      const vif = `host${slot}.${name}`;
      if (isReset(frame)) this.onReset();
      if (this.keepsFrames) this.seen.push({ vif, direction, time_ns: this.sim.now_ns, frame });
    });
    host.xl.onExit((domid, reason) => {
      const gone = this.#travellers.find((t) => t.host === host && t.domid === domid);
      if (gone !== undefined) gone.ended = reason;
    });
    this.#hosts.push(host);
    return host;
  }

  #isTaken(host: TestHost): boolean {
    return host.hv.counts().domains.length > 0;
  }

  boot(name: string, { address, program, disks = {} }: Boot): Traveller {
    const host = this.#emptyHost();
    const hex = address.toString(16).padStart(2, '0');
    const domid = host.bootKernel({
      ...this.#options.guest,
      name,
      disks,
      memoryMib: MEMORY_MIB,
      nics: [`00:16:3e:00:00:${hex}`],
      cmdline: `xennet0=10.9.0.${address}/24 init=${program}`,
    });
    const traveller = new Traveller(name, disks, host, domid);
    this.#travellers.push(traveller);
    return traveller;
  }

  /** Wakes a domain that was saved in another world. */
  arrive(name: string, bytes: Uint8Array, disks: Readonly<Record<string, MemoryDisk>>): Traveller {
    const traveller = new Traveller(name, disks, this.#emptyHost(), 0);
    this.#travellers.push(traveller);
    this.restore({ of: traveller, bytes });
    return traveller;
  }

  /** Saves a domain; its host is empty afterwards. @returns nothing when it ended instead */
  save(of: Traveller): Image | undefined {
    let bytes: Uint8Array;
    try {
      bytes = of.host.saveToBytes(of.domid);
    } catch (error) {
      this.runFor(10e6);
      if (of.ended !== undefined) return undefined;
      throw error;
    }
    of.before += of.host.consoleText(of.domid);
    return { of, bytes };
  }

  /** Wakes a domain on another host than it was on. */
  restore({ of, bytes }: Image): void {
    const { name, disks } = of;
    of.host = this.#emptyHost(of.host);
    of.domid = of.host.restoreFromBytes(bytes, this.#options.guest.engine, { name, disks });
  }

  /** Lets virtual time pass. */
  runFor(ns: number): void {
    (this.#hosts[0] as TestHost).runFor(ns);
  }

  /** Runs until so many events were handled, or `done`. */
  runEvents(events: number, done: () => boolean): void {
    const target = this.sim.events + events;
    this.sim.runUntil(() => done() || this.sim.events >= target);
  }

  /** Runs until a domain has printed something. */
  untilPrinted(who: Traveller, text: string, limit_ns = PATIENCE_NS): void {
    who.host.runUntil(
      `${who.name} to print ${JSON.stringify(text)}`,
      () => who.text.includes(text) || who.ended !== undefined,
      limit_ns,
    );
    if (!who.text.includes(text)) throw new Error(`${who.name} ended; it printed\n${who.text}`);
  }

  /** Runs until a domain has ended. @returns all that it printed */
  untilEnded(who: Traveller, limit_ns = PATIENCE_NS): string {
    who.host.runUntil(`${who.name} to end`, () => who.ended !== undefined, limit_ns);
    return who.text;
  }

  /** What is wrong with the hosts' books. */
  audit(): string[] {
    return this.#hosts.flatMap((host) => host.audit());
  }

  /** What tshark thinks of all that was seen: a line for each malformed packet and each wrong checksum. */
  complaints(): string[] {
    const folder = mkdtempSync(join(tmpdir(), 'domu-net-'));
    try {
      const path = join(folder, 'world.pcapng');
      writeFileSync(path, capture(this.seen));
      // Each segment is seen at both ends, so streams are not put together again.
      const options = [
        ...['ip', 'tcp', 'udp'].flatMap((name) => ['-o', `${name}.check_checksum:TRUE`]),
        ...['-o', 'tcp.desegment_tcp_streams:FALSE'],
      ];
      const bad =
        '_ws.malformed or ip.checksum.status == 0 or tcp.checksum.status == 0 or udp.checksum.status == 0';
      const { status, stdout, stderr } = spawnSync(
        debianPackage('tshark', '/usr/bin/tshark'),
        ['-r', path, ...options, '-Y', bad],
        {
          encoding: 'utf8',
          maxBuffer: 1 << 26,
        },
      );
      if (status !== 0) throw new Error(`tshark ended with status ${status}: ${stderr}`);
      return stdout.split('\n').filter((line) => line !== '');
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
}

const isReset = ({ bytes }: Frame): boolean => {
  if (((bytes[12] as number) << 8) + (bytes[13] as number) !== ETHERTYPE_IP) return false;
  if (bytes[23] !== IPPROTO_TCP) return false;
  const tcp = 14 + ((bytes[14] as number) & 15) * 4;
  return ((bytes[tcp + 13] as number) & RST) !== 0;
};

/** A capture file of what was seen, each interface of each host an interface of it. */
const capture = (seen: readonly Seen[]): Uint8Array => {
  const blocks: Uint8Array[] = [];
  const writer = new PcapngWriter((block) => blocks.push(block.slice()), { application: 'test' });
  const interfaces = new Map<string, number>();
  for (const { vif, direction, time_ns, frame } of seen) {
    const number = interfaces.get(vif) ?? writer.addInterface({ name: vif });
    interfaces.set(vif, number);
    writer.frame(number, { time_ns, direction, bytes: completed(frame).bytes });
  }
  writer.end();
  return Buffer.concat(blocks);
};
