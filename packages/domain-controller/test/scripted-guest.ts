/*
 * A host with a hypervisor, a block back end and a controller, and guests whose every step a test takes itself: what they put into
 * their pages, and when they tell of it.
 */
import {
  blkif_fe_driver_status,
  blkif_fe_interface_connect,
  blkif_fe_interface_status,
  CMSG_BLKIF_FE,
  CMSG_BLKIF_FE_DRIVER_STATUS,
  CMSG_BLKIF_FE_INTERFACE_CONNECT,
  CMSG_CONSOLE,
  CONTROL_IF_OFFSET,
  control_if,
  control_msg,
  SHUTDOWN_suspend,
} from '@port-xen/abi';
import { Bridge, type Frame, type Port } from '@port-xen/bridge';
import { Hypervisor } from '@port-xen/hypervisor';
import { BytesMemory, type Struct } from '@port-xen/layout';
import { Sim } from '@port-xen/sim';
import type { DiskConfig, NicConfig } from '@port-xen/toolstack';
import { type BlockStore, Xbdback } from '@port-xen/xbdback';
import { Xennetback } from '@port-xen/xennetback';
import { Xenstored } from '@port-xen/xenstore';
import { DomainController } from '../src/index.ts';

const MSG = control_msg.offset.msg;
const PAGES = 16;
const { offset } = control_if;

class Disk implements BlockStore {
  readonly bytes: Uint8Array;
  constructor(sectors: number) {
    this.bytes = new Uint8Array(sectors * 512);
  }
  get sectors(): number {
    return this.bytes.length / 512;
  }
  read(sector: number, into: Uint8Array): void {
    into.set(this.bytes.subarray(sector * 512, sector * 512 + into.length));
  }
  write(sector: number, from: Uint8Array): void {
    this.bytes.set(from, sector * 512);
  }
  flush(): void {}
  close(): void {}
}

/** One host. */
export class Host {
  readonly sim = new Sim(1);
  readonly hv: Hypervisor;
  readonly xbdback: Xbdback;
  readonly xennetback: Xennetback;
  /** Somebody else on xenbr0, and what was heard there. */
  readonly neighbour: Port;
  readonly heard: Frame[] = [];
  readonly controller: DomainController;
  readonly disks = new Map<string, Disk>();
  readonly printed = new Map<number, number[]>();
  readonly story: string[] = [];

  constructor({ nets = true } = {}) {
    const { sim } = this;
    const frames = 1024;
    sim.trace.listenToStory((_time, _subsystem, text) => this.story.push(text));
    this.hv = new Hypervisor({
      sim,
      memory: new ArrayBuffer(frames * 4096),
      frames,
      slot: 0,
      tscKhz: 2_400_000,
      uptime_ns: 3600e9,
      wallclock_ns: 1_767_225_600e9,
    });
    this.xbdback = new Xbdback({
      sim,
      hv: this.hv,
      xenstored: new Xenstored({ sim }),
      open: (params) => {
        const disk = this.disks.get(params);
        if (disk === undefined) throw new Error(`expected a disk, found no ${params}`);
        return disk;
      },
    });
    const bridge = new Bridge({ sim, name: 'xenbr0' });
    this.neighbour = bridge.attach('neighbour', { receive: (frame) => this.heard.push(frame) });
    this.xennetback = new Xennetback({
      sim,
      hv: this.hv,
      xenstored: new Xenstored({ sim }),
      bridge: (name) => (name === bridge.name ? bridge : undefined),
    });
    this.controller = new DomainController({
      hv: this.hv,
      blocks: this.xbdback,
      ...(nets && { nets: this.xennetback }),
      output: (domid, bytes) => {
        this.printed.set(domid, [...(this.printed.get(domid) ?? []), ...bytes]);
      },
    });
  }

  disk(name: string, sectors = 64): Disk {
    const disk = new Disk(sectors);
    this.disks.set(name, disk);
    return disk;
  }

  /** @param domid the lowest that is free if it is not given */
  guest(domid?: number): Guest {
    return new Guest(this, domid);
  }

  settle(ns = 1_000_000): void {
    this.sim.runFor(ns);
  }

  text(domid: number): string {
    return String.fromCharCode(...(this.printed.get(domid) ?? []));
  }

  /** What is held, to be compared before and after. */
  held(): object {
    const { controller, xbdback, hv } = this;
    return {
      controlled: controller.domains,
      devices: xbdback.devices + this.xennetback.devices,
      loop: xbdback.loop.count,
      holds: [...hv.dom0.holds].length,
      ports: hv.dom0.evtchn.count,
      counts: hv.counts(),
    };
  }
}

/** A disk as a configuration has it. */
export const diskOf = (vdev: string, pdevPath: string, readwrite = true): DiskConfig => ({
  pdevPath,
  vdev,
  format: 'raw',
  readwrite,
});

/** A network interface as a configuration has it. */
export const nicOf = (devid: number, bridge?: string): NicConfig => ({
  devid,
  mac: `00:16:3e:00:00:0${devid}`,
  ...(bridge !== undefined && { bridge }),
});

/** A message as a guest sees it. */
export interface Message {
  readonly type: number;
  readonly subtype: number;
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly memory: BytesMemory;
}

const messageAt = (page: BytesMemory, ring: number, index: number): Message => {
  const at = CONTROL_IF_OFFSET + ring + (index & 7) * control_msg.size;
  const copy = page.bytes.slice(at, at + control_msg.size);
  const memory = new BytesMemory(copy);
  const { type, subtype, id, length } = control_msg.at(memory, 0);
  return { type, subtype, id, bytes: copy.slice(MSG, MSG + length), memory };
};

type Domain = NonNullable<ReturnType<Hypervisor['domains']['get']>>;

/** A domain, its kernel's part played by hand. */
export class Guest {
  readonly host: Host;
  readonly domid: number;
  readonly port: number;
  readonly sharedInfoMfn: number;
  readonly #p2m: Int32Array;
  /** The page of shared_info. */
  readonly page: BytesMemory;
  responsesTaken = 0;
  requestsTaken = 0;
  #nextId = 0;

  constructor(host: Host, domid?: number) {
    const { hv } = host;
    this.host = host;
    this.domid = hv.domctl.createDomain({
      handle: new Uint8Array(16),
      maxVcpus: 1,
      interface: 'xen-2.0',
      ...(domid !== undefined && { domid }),
      engine: { run: (vcpu, budget_ns) => vcpu.spend(budget_ns) },
    });
    hv.domctl.maxMem(this.domid, 4 * (PAGES + 64));
    const pfns = Int32Array.from({ length: PAGES }, (_, pfn) => pfn);
    this.#p2m = hv.domctl.populatePhysmap(this.domid, pfns);
    this.sharedInfoMfn = hv.domctl.getDomainInfo(this.domid).sharedInfoMfn;
    this.page = new BytesMemory(hv.memory.frameBytes(this.sharedInfoMfn));
    this.port = hv.dom0.allocUnbound(this.domid, 0);
  }

  get domain(): Domain {
    const domain = this.host.hv.domains.get(this.domid);
    if (domain === undefined) throw new Error(`expected a domain ${this.domid}, found none`);
    return domain;
  }

  /** @param disks what its disks are, by name */
  connect(disks: Readonly<Record<string, string>> = {}, nics: readonly NicConfig[] = []): this {
    const { controller } = this.host;
    const list = Object.entries(disks).map(([vdev, params]) => diskOf(vdev, params));
    const { sharedInfoMfn, port } = this;
    controller.connect(this.domid, { sharedInfoMfn, port }, { disks: list, nics });
    return this;
  }

  mfn(pfn: number): number {
    return this.#p2m[pfn] as number;
  }

  frame(pfn: number): BytesMemory {
    return new BytesMemory(this.host.hv.memory.frameBytes(this.mfn(pfn)));
  }

  index(name: 'tx_req_prod' | 'tx_resp_prod' | 'rx_req_prod' | 'rx_resp_prod'): number {
    return this.page.ld32(CONTROL_IF_OFFSET + offset[name]);
  }

  setIndex(name: 'tx_req_prod' | 'tx_resp_prod' | 'rx_req_prod' | 'rx_resp_prod', to: number) {
    this.page.st32(CONTROL_IF_OFFSET + offset[name], to);
  }

  notify(): void {
    this.domain.evtchn.send(this.port);
  }

  /** Puts a request, without a word. @returns its id */
  put(type: number, subtype: number, payload: Uint8Array, length = payload.length): number {
    const memory = new BytesMemory(new Uint8Array(control_msg.size));
    const view = control_msg.at(memory, 0);
    view.type = type;
    view.subtype = subtype;
    view.id = this.#nextId++;
    view.length = length;
    memory.write(MSG, payload);
    const produced = this.index('tx_req_prod');
    const at = CONTROL_IF_OFFSET + offset.tx_ring + (produced & 7) * control_msg.size;
    this.page.write(at, memory.bytes);
    this.setIndex('tx_req_prod', produced + 1);
    return view.id;
  }

  print(text: string): void {
    this.put(CMSG_CONSOLE, 0, new TextEncoder().encode(text));
  }

  /** Puts a request with a struct, and tells of it. */
  ask(type: number, subtype: number, payload: Struct, fields: Record<string, number>): void {
    const memory = new BytesMemory(new Uint8Array(payload.size));
    Object.assign(payload.at(memory, 0), fields);
    this.put(type, subtype, memory.bytes);
    this.notify();
    this.host.settle(10_000);
  }

  driver(status: number): void {
    this.ask(CMSG_BLKIF_FE, CMSG_BLKIF_FE_DRIVER_STATUS, blkif_fe_driver_status, { status });
  }

  connectRing(pfn: number): void {
    this.ask(CMSG_BLKIF_FE, CMSG_BLKIF_FE_INTERFACE_CONNECT, blkif_fe_interface_connect, {
      shmem_frame: this.mfn(pfn),
    });
  }

  /** Takes the answers to its requests. */
  answers(): Message[] {
    const messages = [];
    while (this.responsesTaken !== this.index('tx_resp_prod')) {
      messages.push(messageAt(this.page, offset.tx_ring, this.responsesTaken++));
    }
    return messages;
  }

  /** Takes the controller's requests, and answers none. */
  requests(): Message[] {
    const messages = [];
    while (this.requestsTaken !== this.index('rx_req_prod')) {
      messages.push(messageAt(this.page, offset.rx_ring, this.requestsTaken++));
    }
    return messages;
  }

  /** Puts the answer to a request, without a word. */
  answer(message: Message): void {
    const answered = this.index('rx_resp_prod');
    const at = CONTROL_IF_OFFSET + offset.rx_ring + (answered & 7) * control_msg.size;
    this.page.write(at, message.memory.bytes);
    this.setIndex('rx_resp_prod', answered + 1);
  }

  /** Takes and answers every request, until there is none. @returns them */
  serve(): Message[] {
    const all: Message[] = [];
    for (;;) {
      this.host.settle(10_000);
      const messages = this.requests();
      if (messages.length === 0) return all;
      for (const message of messages) this.answer(message);
      all.push(...messages);
      this.notify();
    }
  }

  /** What the controller says of its block interface, oldest first. */
  statuses(): { status: number; evtchn: number }[] {
    return this.serve()
      .filter(({ type }) => type === CMSG_BLKIF_FE)
      .map(({ memory }) => {
        const { status, evtchn } = blkif_fe_interface_status.at(memory, MSG);
        return { status, evtchn };
      });
  }

  shutDown(reason: number): void {
    this.domain.shutdown(reason);
  }

  suspend(): void {
    this.shutDown(SHUTDOWN_suspend);
  }

  /** Ends it as a toolstack does. */
  destroy(): void {
    this.host.controller.disconnect(this.domid);
    this.host.hv.domctl.destroyDomain(this.domid);
    this.host.settle();
  }
}
