/*
 * Gives interfaces their addresses, and announces them (RFC 5227, 2.3): twice, two seconds apart, so that neighbours and the switch
 * on the way know where we are, although one frame may be lost.
 */
import type { Callout, Cpu } from '@port-xen/kern';
import type { Arp } from './arp.ts';
import { IFF_RUNNING, type Ifnets, type IfnetView } from './ifnet.ts';
import { HZ } from './net-clock.ts';

const ANNOUNCE_NUM = 2;
const ANNOUNCE_INTERVAL_S = 2;

export class Ifconfig {
  readonly cpu: Cpu;
  readonly ifnets: Ifnets;
  readonly arp: Arp;
  readonly callout: Callout;

  constructor(cpu: Cpu, ifnets: Ifnets, arp: Arp, callouts: Callout) {
    this.cpu = cpu;
    this.ifnets = ifnets;
    this.arp = arp;
    this.callout = callouts;
  }

  /** Addresses in host order; 0 takes the address away. */
  configure(ifp: IfnetView, addr: number, netmask: number, gateway: number): void {
    ifp.ia_addr = addr;
    ifp.ia_netmask = netmask;
    ifp.if_gateway = gateway;
    if ((ifp.if_flags & IFF_RUNNING) !== 0) this.announce(ifp);
  }

  announce(ifp: IfnetView): void {
    ifp.if_announce = ANNOUNCE_NUM;
    this.announceTimer(ifp.address);
  }

  announceTimer(address: number): void {
    const ifp = this.ifnets.at(address);
    if (ifp.if_announce === 0) return;
    ifp.if_announce--;
    this.arp.sendAnnouncement(ifp);
    if (ifp.if_announce === 0) return;
    const next = this.cpu.sym('if_announce_timer');
    this.callout.reset(ifp.if_announce_ch.address, ANNOUNCE_INTERVAL_S * HZ, next, address);
  }
}
