/*
 * The stack put together: which modules it has, and how their objects are made from the processor, the addresses of their data,
 * and what they need of the kernel and the clock.
 */
import {
  type Callout,
  type Cpu,
  type ModuleSpec,
  type Msgbuf,
  PAGE_SIZE,
  type Sched,
  type Syscalls,
} from '@port-xen/kern';
import { Arp } from './arp.ts';
import { arp_data } from './arp-var.ts';
import { Dhcp } from './dhcp.ts';
import { dhcp_data } from './dhcp-var.ts';
import { Icmp, icmp_data } from './icmp.ts';
import { Ifconfig } from './ifconfig.ts';
import { Ifnets, ifnet_data } from './ifnet.ts';
import { Inet, type InetParts, inetText } from './inet.ts';
import { Ip, ip_data } from './ip.ts';
import { IpReass, ip_reass_data } from './ip-reass.ts';
import { Mbufs, mbuf_clusters, mbuf_data } from './mbuf.ts';
import type { NetClock } from './net-clock.ts';
import { SocketCalls } from './socket-calls.ts';
import { socketCallsText } from './socket-calls-text.ts';
import { socketIoText } from './socket-io-text.ts';
import { socket_bufs } from './socket-var.ts';
import { Sockets, socket_data } from './sockets.ts';
import { Tcp, tcp_data } from './tcp.ts';
import { tcpText } from './tcp-text.ts';
import { Udp, udp_data } from './udp.ts';

/** What the stack needs of the kernel. */
export interface NetKern {
  readonly callout: Callout;
  readonly sched: Sched;
  readonly msgbuf: Msgbuf;
  readonly syscalls: Syscalls;
}

/** The objects of the stack. */
export interface Netinet extends InetParts {
  readonly cpu: Cpu;
  readonly sockets: Sockets;
  readonly inet: Inet;
  readonly calls: SocketCalls;
}

export const netinetModules: Readonly<Record<string, ModuleSpec>> = {
  mbuf: { data: mbuf_data },
  mbuf_clusters: { data: mbuf_clusters, align: PAGE_SIZE },
  ifnet: { data: ifnet_data },
  arp: { data: arp_data },
  ip: { data: ip_data },
  ip_reass: { data: ip_reass_data },
  icmp: { data: icmp_data },
  udp: { data: udp_data },
  tcp: { data: tcp_data, text: tcpText },
  dhcp: { data: dhcp_data },
  socket: { data: socket_data },
  socket_bufs: { data: socket_bufs, align: PAGE_SIZE },
  inet: { text: inetText },
  socket_calls: { text: { ...socketIoText, ...socketCallsText } },
};

/** Makes the stack's objects. @param data the address of each module's data */
export const linkNetinet = (
  cpu: Cpu,
  data: Readonly<Record<string, number>>,
  kern: NetKern,
  clock: NetClock,
): Netinet => {
  const at = (module: string): number => {
    const address = data[module];
    if (address === undefined) throw new Error(`the kernel has no data for ${module}`);
    return address;
  };
  const { callout, sched, msgbuf, syscalls } = kern;
  const mbufs = new Mbufs(cpu, at('mbuf'), at('mbuf_clusters'));
  const ifnets = new Ifnets(cpu, at('ifnet'), mbufs);
  const arp = new Arp(cpu, at('arp'), mbufs, ifnets, callout, clock);
  const ifconfig = new Ifconfig(cpu, ifnets, arp, callout);
  const reass = new IpReass(cpu, at('ip_reass'), mbufs, callout, clock);
  const ip = new Ip(cpu, at('ip'), ifnets, arp, reass);
  const icmp = new Icmp(cpu, at('icmp'), ip, clock);
  const sockets = new Sockets(cpu, at('socket'), at('socket_bufs'), sched);
  const udp = new Udp(cpu, at('udp'), sockets, ip, icmp);
  const tcp = new Tcp(cpu, at('tcp'), sockets, ip, callout, clock);
  const dhcp = new Dhcp(cpu, at('dhcp'), { udp, ifconfig, msgbuf }, callout, clock);
  const parts = { mbufs, ifnets, arp, ifconfig, ip, icmp, udp, tcp, dhcp };
  return {
    ...parts,
    cpu,
    sockets,
    inet: new Inet(cpu, parts),
    calls: new SocketCalls(cpu, syscalls, sockets, tcp, udp),
  };
};

/** The same objects under the names of their modules, for a kernel's `link`. */
export const netinetLinked = (net: Netinet): Record<string, object> => ({
  mbuf: net.mbufs,
  ifnet: net.ifnets,
  arp: net.arp,
  ip: net.ip,
  ip_reass: net.ip.reass,
  icmp: net.icmp,
  udp: net.udp,
  tcp: net.tcp,
  dhcp: net.dhcp,
  socket: net.sockets,
  inet: net.inet,
  socket_calls: net.calls,
});

/**
 * netinit: once, at boot, before any driver attaches. @param secret two words that nobody outside can guess: initial sequence
 * numbers, timestamp offsets and ports are made from them
 */
export const netinetInit = (net: Netinet, secret: readonly [number, number]): void => {
  net.mbufs.init();
  const d = net.tcp.d;
  d.tcp_secret0 = secret[0];
  d.tcp_secret1 = secret[1];
  net.calls.init();
};
