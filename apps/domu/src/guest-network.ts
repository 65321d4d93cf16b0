/*
 * The network of the composed kernel: the stack started before any driver attaches, and addresses given to interfaces from the
 * kernel's command line before the first program runs:
 *
 *     xennet0=10.9.0.2/24            an address
 *     xennet0=10.9.0.2/24,10.9.0.1   and a gateway
 *     xennet0=dhcp                   ask for both
 */
import { __HYPERVISOR_xen_version, XENVER_guest_handle } from '@port-xen/abi';
import type { Cpu, HypercallArgs, Msgbuf } from '@port-xen/kern';
import { bytes, struct } from '@port-xen/layout';
import { inetNtoa, type Netinet, netinetInit } from '@port-xen/netinet';

const domain_handle = struct('xen_domain_handle', { handle: bytes(16) });

const OPTION = /(?:^| )(xennet\d+)=(\S+)/g;
const ADDRESS = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)(?:,(\d+)\.(\d+)\.(\d+)\.(\d+))?$/;

/** Four decimal parts as an address in host order; undefined when one is too large. */
const addressOf = (parts: readonly (string | undefined)[]): number | undefined => {
  let address = 0;
  for (const part of parts) {
    const value = Number(part);
    if (!(value <= 255)) return undefined;
    address = address * 256 + value;
  }
  return address;
};

/** FNV-1a. */
const mix = (hash: number, word: number): number => Math.imul(hash ^ word, 0x0100_0193);

/** What starts the network of a kernel that has one. */
export class GuestNetwork {
  readonly cpu: Cpu;
  readonly args: HypercallArgs;
  readonly msgbuf: Msgbuf;
  readonly net: Netinet;

  constructor(
    cpu: Cpu,
    kern: { readonly args: HypercallArgs; readonly msgbuf: Msgbuf },
    net: Netinet,
  ) {
    this.cpu = cpu;
    this.args = kern.args;
    this.msgbuf = kern.msgbuf;
    this.net = net;
  }

  /** Before any driver attaches. What nobody outside can guess is made of the domain's handle and the processor's counter. */
  init(): void {
    const op = this.args.at(domain_handle);
    this.cpu.hypercall(__HYPERVISOR_xen_version, XENVER_guest_handle, op.address);
    const ticks = this.cpu.tscSince(0, 0);
    const secret = (seed: number): number => {
      let hash = mix(mix(seed, ticks | 0), Math.floor(ticks / 2 ** 32));
      for (const byte of op.handle) hash = mix(hash, byte);
      return hash >>> 0;
    };
    netinetInit(this.net, [secret(0x811c_9dc5), secret(0x1234_5679)]);
  }

  /** Gives the interfaces their addresses. @param options the kernel's command line, without what the first program is given */
  start(options: string): void {
    for (const [, name = '', value = ''] of options.matchAll(OPTION)) this.#configure(name, value);
  }

  #configure(name: string, value: string): void {
    const { ifnets, ifconfig, dhcp } = this.net;
    const ifp = ifnets.lookup(name);
    if (ifp === undefined) {
      this.msgbuf.printf(`ifconfig: no interface ${name}\n`);
      return;
    }
    if (value === 'dhcp') {
      dhcp.start(ifp.address, this.net.tcp.d.tcp_secret0);
      return;
    }
    const match = ADDRESS.exec(value);
    const address = match === null ? undefined : addressOf(match.slice(1, 5));
    const prefix = Number(match?.[5]);
    const gateway = match?.[6] === undefined ? 0 : addressOf(match.slice(6, 10));
    if (address === undefined || gateway === undefined || !(prefix >= 1 && prefix <= 31)) {
      this.msgbuf.printf(
        `ifconfig: ${name}: expected A.B.C.D/BITS[,GATEWAY] or dhcp, found ${value}\n`,
      );
      return;
    }
    const netmask = (0xffff_ffff << (32 - prefix)) >>> 0;
    ifconfig.configure(ifp, address, netmask, gateway);
    this.msgbuf.printf(`${name}: ${inetNtoa(address)}/${prefix}\n`);
  }
}
