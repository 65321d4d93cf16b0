/*
 * DHCP client (RFC 2131, 4.4) of one interface.
 *
 *     INIT ─ DISCOVER ─► SELECTING ─ OFFER ─► REQUESTING ─ ACK ─► BOUND ─ T1 ─► RENEWING ─ T2 ─► REBINDING ─ lease over ─► INIT
 *                                                                  │ ▲
 *                                     link is up again (a restore) ▼ │ ACK, or no answer
 *                                                               REBOOTING ─ NAK ─► INIT
 *
 * Time stands still while the domain is away, so a lease can be over without the client knowing: whenever the link comes up
 * it asks whether the address is still its own (3.2), as a machine that was started again does.
 */
import type { Callout, Cpu, Msgbuf } from '@port-xen/kern';
import type { View } from '@port-xen/layout';
import { leaseTimes } from './dhcp-lease.ts';
import {
  buildDhcp,
  DHCPACK,
  DHCPDISCOVER,
  DHCPNAK,
  DHCPOFFER,
  DHCPREQUEST,
  type DhcpReply,
  parseDhcp,
} from './dhcp-message.ts';
import {
  DHCP_BOUND,
  DHCP_CLIENT_PORT,
  DHCP_OFF,
  DHCP_REBINDING,
  DHCP_REBOOTING,
  DHCP_RENEWING,
  DHCP_REQUESTING,
  DHCP_SELECTING,
  DHCP_SERVER_PORT,
  dhcp_data,
} from './dhcp-var.ts';
import { sameAddress } from './ether.ts';
import type { Ifconfig } from './ifconfig.ts';
import type { IfnetView } from './ifnet.ts';
import { INADDR_ANY, INADDR_BROADCAST, inetNtoa, isUnicast } from './in-addr.ts';
import { msToTicks, type NetClock } from './net-clock.ts';
import { halfSipHash } from './siphash.ts';
import type { Udp } from './udp.ts';

/** First wait for an answer; it doubles up to the last (RFC 2131, 4.1). */
const WAIT_MS = 4000;
const WAIT_MAX_MS = 64_000;
const JITTER_MS = 1000;
const REFUSED_WAIT_MS = 10_000;
/** Requests before the client begins again. */
const TRIES_MAX = 4;
/** A renewal is not asked for more often (RFC 2131, 4.4.5). */
const RENEW_MIN_MS = 60_000;

/** What the client needs of the rest of the stack. */
export interface DhcpNet {
  readonly udp: Udp;
  readonly ifconfig: Ifconfig;
  readonly msgbuf: Msgbuf;
}

export class Dhcp {
  readonly cpu: Cpu;
  readonly data: number;
  readonly net: DhcpNet;
  readonly callout: Callout;
  readonly clock: NetClock;

  constructor(cpu: Cpu, data: number, net: DhcpNet, callouts: Callout, clock: NetClock) {
    this.cpu = cpu;
    this.data = data;
    this.net = net;
    this.callout = callouts;
    this.clock = clock;
  }

  get d(): View<typeof dhcp_data> {
    return dhcp_data.at(this.cpu.memory, this.data);
  }

  #now(): number {
    return Math.floor(this.clock.uptime_ns() / 1e6);
  }

  get #ifp(): IfnetView {
    return this.net.udp.ip.ifnets.at(this.d.dh_ifp);
  }

  /** Asks for an address for an interface. @param xid what tells this client's conversation from others' */
  start(ifp: number, xid: number): void {
    const d = this.d;
    d.dh_ifp = ifp;
    d.dh_xid = xid >>> 0;
    this.#select();
  }

  /** Whether a datagram to the client's port is for this client. */
  wants(ifp: IfnetView): boolean {
    const d = this.d;
    return d.dh_state !== DHCP_OFF && d.dh_ifp === ifp.address;
  }

  /** Begins again. @param wait_ms before the first message */
  #select(wait_ms = 0): void {
    const d = this.d;
    d.dh_state = DHCP_SELECTING;
    d.dh_tries = 0;
    d.dh_addr = 0;
    d.dh_server = 0;
    d.dh_expire = 0;
    if (wait_ms > 0) this.#arm(wait_ms);
    else this.timer();
  }

  /** The back end is connected, for the first time or after a restore. */
  linkUp(): void {
    const d = this.d;
    if (d.dh_state === DHCP_OFF) return;
    if (d.dh_state >= DHCP_BOUND) {
      d.dh_state = DHCP_REBOOTING;
      d.dh_tries = 0;
      this.timer();
    } else {
      this.#select();
    }
  }

  /** No answer came, or it is time to ask. */
  timer(): void {
    const d = this.d;
    const now = this.#now();
    if (d.dh_state >= DHCP_BOUND && d.dh_expire !== 0 && now >= d.dh_expire) {
      this.#lose('lease is over');
      return;
    }
    switch (d.dh_state) {
      case DHCP_REQUESTING:
        if (d.dh_tries >= TRIES_MAX) {
          this.#select();
          return;
        }
        break;
      case DHCP_REBOOTING:
        if (d.dh_tries >= TRIES_MAX) {
          // Nobody says no: the address stays for the rest of its lease (RFC 2131, 3.2).
          d.dh_state = DHCP_BOUND;
          this.#armLease();
          return;
        }
        break;
      case DHCP_BOUND:
      case DHCP_RENEWING:
        d.dh_state = d.dh_t2 !== 0 && now >= d.dh_t2 ? DHCP_REBINDING : DHCP_RENEWING;
        this.#send();
        this.#armLease();
        return;
      case DHCP_REBINDING:
        this.#send();
        this.#armLease();
        return;
      default:
        break;
    }
    this.#send();
    const backedOff = Math.min(WAIT_MAX_MS, WAIT_MS * 2 ** Math.min(d.dh_tries, 4));
    d.dh_tries++;
    const jitter = (halfSipHash(d.dh_xid, d.dh_tries, []) % (2 * JITTER_MS)) - JITTER_MS;
    this.#arm(backedOff + jitter);
  }

  #arm(ms: number): void {
    this.callout.reset(this.d.dh_ch.address, msToTicks(ms), this.cpu.sym('dhcp_timer'), 0);
  }

  /** The next thing that happens to a lease; while renewing, half of what is left, but not more often than each minute. */
  #armLease(): void {
    const d = this.d;
    if (d.dh_expire === 0) return;
    const now = this.#now();
    const next =
      d.dh_state === DHCP_BOUND ? d.dh_t1 : d.dh_state === DHCP_RENEWING ? d.dh_t2 : d.dh_expire;
    const left = Math.max(1, next - now);
    if (d.dh_state === DHCP_BOUND) this.#arm(left);
    else this.#arm(Math.min(left, Math.max(RENEW_MIN_MS, left / 2)));
  }

  #send(): void {
    const d = this.d;
    const ifp = this.#ifp;
    const renews = d.dh_state === DHCP_RENEWING || d.dh_state === DHCP_REBINDING;
    const message = buildDhcp({
      type: d.dh_state === DHCP_SELECTING ? DHCPDISCOVER : DHCPREQUEST,
      xid: d.dh_xid,
      chaddr: ifp.if_lladdr,
      ciaddr: renews ? d.dh_addr : INADDR_ANY,
      requested: renews ? 0 : d.dh_addr,
      server: d.dh_state === DHCP_REQUESTING ? d.dh_server : 0,
    });
    const ports = { sport: DHCP_CLIENT_PORT, dport: DHCP_SERVER_PORT };
    const { udp } = this.net;
    if (d.dh_state === DHCP_RENEWING) {
      udp.output({ ...ports, src: d.dh_addr, dst: d.dh_server }, message);
      return;
    }
    const src = renews ? d.dh_addr : INADDR_ANY;
    udp.output({ ...ports, src, dst: INADDR_BROADCAST, ifp }, message);
  }

  /** A datagram to the client's port. */
  input(payload: Uint8Array): void {
    const d = this.d;
    const reply = parseDhcp(payload);
    if (reply === undefined || reply.xid !== d.dh_xid) return;
    if (!sameAddress(reply.chaddr, this.#ifp.if_lladdr)) return;
    if (reply.type === DHCPOFFER && d.dh_state === DHCP_SELECTING) {
      if (!isUnicast(reply.yiaddr) || reply.server === 0) return;
      d.dh_addr = reply.yiaddr;
      d.dh_server = reply.server;
      d.dh_state = DHCP_REQUESTING;
      d.dh_tries = 0;
      this.timer();
      return;
    }
    if (d.dh_state < DHCP_REQUESTING || d.dh_state === DHCP_BOUND) return;
    if (reply.type === DHCPACK) this.#bind(reply);
    else if (reply.type === DHCPNAK) this.#refused();
  }

  #bind(reply: DhcpReply): void {
    const d = this.d;
    if (reply.yiaddr !== d.dh_addr || reply.lease === 0) return;
    const wasBound = d.dh_state >= DHCP_BOUND;
    const now = this.#now();
    d.dh_state = DHCP_BOUND;
    d.dh_tries = 0;
    if (reply.server !== 0) d.dh_server = reply.server;
    if (reply.dns !== 0) d.dh_dns = reply.dns;
    const lease = leaseTimes(reply, now);
    d.dh_t1 = lease.t1;
    d.dh_t2 = lease.t2;
    d.dh_expire = lease.expire;
    this.callout.stop(d.dh_ch.address);
    this.#armLease();
    if (wasBound) return;
    this.net.ifconfig.configure(this.#ifp, d.dh_addr, reply.mask || 0xffff_ff00, reply.router);
    this.net.msgbuf.printf(`dhcp: address ${inetNtoa(d.dh_addr)}\n`);
  }

  /** A server that refuses what it has just offered is not asked again at once. */
  #refused(): void {
    if (this.d.dh_state === DHCP_REQUESTING) this.#select(REFUSED_WAIT_MS);
    else this.#lose('refused by the server');
  }

  #lose(why: string): void {
    const d = this.d;
    this.net.msgbuf.printf(`dhcp: address ${inetNtoa(d.dh_addr)} is gone: ${why}\n`);
    this.net.ifconfig.configure(this.#ifp, 0, 0, 0);
    this.#select();
  }
}
