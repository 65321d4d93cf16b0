/*
 * A guest kernel's memory with the stack in it and a network card that is the test's. Everything that the guest knows is in
 * `machine`: a host can be frozen at any moment and made again from nothing but its bytes.
 */
import {
  type Cpu,
  type Kern,
  KernelImage,
  type KernelSpec,
  kernLinked,
  kernModules,
  leaf,
  linkKern,
  Cpu as Processor,
  raw,
  type Text,
} from '@port-xen/kern';
import { i64, struct } from '@port-xen/layout';
import type { Sim } from '@port-xen/sim';
import { IFF_OACTIVE } from '../src/ifnet.ts';
import {
  ETHERMTU,
  linkNetinet,
  type Netinet,
  netinetInit,
  netinetLinked,
  netinetModules,
} from '../src/index.ts';
import { sbappend, sbdrop, sbpeek, sbspace } from '../src/sockbuf.ts';
import { SOCK_DGRAM, SOCK_STREAM, type Socket } from '../src/socket-var.ts';
import {
  pcbOf,
  tcpAttach,
  tcpBind,
  tcpConnect,
  tcpListen,
  tcpRcvd,
  tcpSend,
} from '../src/tcp-usrreq.ts';
import type { Tcpcb } from '../src/tcp-var.ts';
import { Machine } from './machine.ts';

export const TICK_NS = 10_000_000;

/** What is not the guest's: its card and its clock, out of the reach of who freezes guest objects. */
class Hardware {
  readonly #sim: Sim;
  #offset_ns: number;
  send: (frame: Uint8Array, csum: number) => void = () => {};
  constructor(sim: Sim, uptime_ns: number) {
    this.#sim = sim;
    this.#offset_ns = uptime_ns - sim.now_ns;
  }
  uptime_ns(): number {
    return this.#sim.now_ns + this.#offset_ns;
  }
  setUptime(uptime_ns: number): void {
    this.#offset_ns = uptime_ns - this.#sim.now_ns;
  }
}

/** Keeps its field where a freeze does not reach it. */
class Card {
  readonly #hardware: Hardware;
  readonly net: Netinet;
  constructor(hardware: Hardware, net: Netinet) {
    this.#hardware = hardware;
    this.net = net;
  }
  output(m: number): void {
    const { mbufs } = this.net;
    const csum = mbufs.at(m).m_csum;
    const frame = mbufs.toBytes(m);
    mbufs.freem(m);
    this.#hardware.send(frame, csum);
  }
}

class Uptime {
  readonly #hardware: Hardware;
  constructor(hardware: Hardware) {
    this.#hardware = hardware;
  }
  uptime_ns(): number {
    return this.#hardware.uptime_ns();
  }
}

const card_data = struct('card_data', { ifp: i64 });

const cardText: Text<Card> = {
  card_output: leaf((m, _softc, packet) => {
    m.output(packet);
    return 0;
  }),
  start: raw(() => {}),
};

export interface HostOptions {
  readonly addr: number;
  readonly netmask?: number;
  readonly gateway?: number;
  readonly mtu?: number;
  readonly capenable?: number;
  readonly secret?: number;
  readonly uptime_ns?: number;
  /** Further modules, for programs. */
  readonly modules?: KernelSpec['modules'];
  readonly link?: (
    kern: Kern,
    net: Netinet,
    data: Readonly<Record<string, number>>,
  ) => Record<string, object>;
}

export class Host {
  readonly sim: Sim;
  readonly options: HostOptions;
  readonly image: KernelImage;
  readonly machine: Machine;
  readonly hardware: Hardware;
  cpu!: Cpu;
  kern!: Kern;
  net!: Netinet;
  /** Frames are lost and no tick comes. */
  away = false;

  constructor(sim: Sim, options: HostOptions, from?: Host) {
    this.sim = sim;
    this.options = options;
    const uptime = from?.hardware.uptime_ns() ?? options.uptime_ns ?? 3_600_000_000_000;
    const hardware = new Hardware(sim, uptime);
    this.hardware = hardware;
    const spec: KernelSpec = {
      name: 'test',
      version: '0',
      entry: 'start',
      programs: [],
      modules: {
        ...kernModules,
        ...netinetModules,
        card: { data: card_data, text: cardText },
        ...options.modules,
      },
      link: (cpu, data) => {
        const kern = linkKern(cpu, data);
        const net = linkNetinet(cpu, data, kern, new Uptime(hardware));
        const more = options.link?.(kern, net, data) ?? {};
        return {
          ...kernLinked(kern),
          ...netinetLinked(net),
          ...more,
          card: new Card(hardware, net),
        };
      },
    };
    this.image = new KernelImage(spec, new Uint8Array(20));
    this.#spec = spec;
    this.machine = new Machine(this.image, from?.machine);
    this.relink();
    if (from === undefined) this.#boot();
    this.#tick();
  }

  readonly #spec: KernelSpec;

  /** Throws every object of the guest away and makes them again. */
  relink(): void {
    const linked: Record<string, object> = {};
    const module = (name: string): object => linked[name] as object;
    this.cpu = new Processor(this.machine, this.image, module, () => {});
    Object.assign(linked, this.#spec.link(this.cpu, this.image.data));
    this.kern = linkKern(this.cpu, this.image.data);
    this.net = (linked.card as Card).net;
  }

  #boot(): void {
    const { kern, net, options } = this;
    kern.callout.init();
    netinetInit(net, [options.secret ?? 0x1234_5678, 0x9abc_def0]);
    const ifp = net.ifnets.attach('card0', {
      softc: 0,
      output: this.cpu.sym('card_output'),
      lladdr: Uint8Array.of(2, 0, ...[24, 16, 8, 0].map((n) => (options.addr >>> n) & 255)),
      mtu: options.mtu ?? ETHERMTU,
      capenable: options.capenable ?? 0,
    });
    card_data.at(this.cpu.memory, this.image.data.card as number).ifp = ifp;
    const view = net.ifnets.at(ifp);
    net.ifconfig.configure(
      view,
      options.addr,
      options.netmask ?? 0xffff_ff00,
      options.gateway ?? 0,
    );
  }

  /** The card's link comes up. */
  up(): void {
    this.net.inet.linkState(this.ifp, true);
  }

  get ifp(): number {
    return card_data.at(this.cpu.memory, this.image.data.card as number).ifp;
  }

  #tick(): void {
    this.sim.after(TICK_NS, () => {
      if (this.gone) return;
      if (!this.away) this.tick();
      this.#tick();
    });
  }

  /** The domain's life on this host is over. */
  gone = false;

  tick(): void {
    this.kern.callout.hardclock();
    this.kern.callout.softclock();
  }

  /** A frame from the wire. */
  receive(frame: Uint8Array, csum = 0): void {
    if (this.away || this.gone) return;
    const { mbufs, inet } = this.net;
    const m = mbufs.fromBytes(frame);
    if (m === 0) return;
    mbufs.at(m).m_csum = csum;
    inet.etherInput(this.ifp, m);
  }

  /** Leaves this host and goes on in another one, made from nothing but the bytes. */
  moved(): Host {
    this.gone = true;
    const other = new Host(this.sim, this.options, this);
    other.hardware.send = this.hardware.send;
    return other;
  }

  setActive(active: boolean): void {
    const ifp = this.net.ifnets.at(this.ifp);
    if (active) ifp.if_flags |= IFF_OACTIVE;
    else this.net.inet.ready(this.ifp);
  }

  // What programs do, without programs.

  so(address: number): Socket {
    return this.net.sockets.at(address);
  }

  /** @returns the address of a new stream socket that somebody has open */
  stream(): number {
    const { sockets, tcp } = this.net;
    const so = sockets.create(SOCK_STREAM, 6) as Socket;
    so.so_state = 0;
    const error = tcpAttach(tcp, so);
    if (error !== 0) throw new Error(`no connection block: error ${error}`);
    return so.address;
  }

  datagram(): number {
    const so = this.net.sockets.create(SOCK_DGRAM, 17) as Socket;
    so.so_state = 0;
    return so.address;
  }

  listen(port: number, backlog = 4): number {
    const address = this.stream();
    const so = this.so(address);
    if (tcpBind(this.net.tcp, so, 0, port) !== 0) throw new Error('cannot bind');
    tcpListen(this.net.tcp, so, backlog);
    return address;
  }

  connect(addr: number, port: number): number {
    const address = this.stream();
    const error = tcpConnect(this.net.tcp, this.so(address), addr, port);
    if (error !== 0) throw new Error(`cannot connect: error ${error}`);
    return address;
  }

  /** @returns 0 when nothing waits to be accepted */
  accept(listener: number): number {
    const so = this.net.sockets.soqremque(this.so(listener));
    if (so === undefined) return 0;
    so.so_state &= ~1;
    return so.address;
  }

  tcb(address: number): Tcpcb | undefined {
    return pcbOf(this.net.tcp, this.so(address));
  }

  /** @returns how many bytes there was room for */
  write(address: number, bytes: Uint8Array): number {
    const so = this.so(address);
    const part = bytes.subarray(0, sbspace(so.so_snd));
    sbappend(this.cpu.memory, so.so_snd, part);
    tcpSend(this.net.tcp, so);
    return part.length;
  }

  read(address: number, max = 1 << 20): Uint8Array {
    const so = this.so(address);
    const bytes = new Uint8Array(Math.min(max, so.so_rcv.sb_cc));
    sbpeek(this.cpu.memory, so.so_rcv, 0, bytes);
    sbdrop(so.so_rcv, bytes.length);
    if (bytes.length > 0) tcpRcvd(this.net.tcp, so);
    return bytes;
  }

  close(address: number): void {
    this.net.calls.soclose(this.so(address));
  }

  /** Whether nothing is held that nobody uses: mbufs, sockets, connection blocks. */
  counts(): { mbufs: number; sockets: number; tcbs: number } {
    const { mbufs, sockets, tcp } = this.net;
    return { mbufs: mbufs.inUse, sockets: sockets.all().length, tcbs: tcp.all().length };
  }
}
