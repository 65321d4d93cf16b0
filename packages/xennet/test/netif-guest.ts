import {
  CMSG_NETIF_BE,
  CMSG_NETIF_BE_CONNECT,
  CMSG_NETIF_BE_CREATE,
  CMSG_NETIF_BE_DISCONNECT,
  control_msg,
  NETIF_INTERFACE_STATUS_CONNECTED,
  NETIF_INTERFACE_STATUS_DISCONNECTED,
  netif_be_connect,
  netif_be_create,
  netif_be_destroy,
} from '@port-xen/abi';
import { BytesMemory, type Struct, type View } from '@port-xen/layout';
import { TestGuest, type TestGuestOptions } from '@tooling/guest-testbed';
import { type Lan, lan } from './net-guest.ts';
import { MAC_BYTES, netifKernel } from './netif-kernel.ts';

const PAYLOAD = control_msg.offset.msg;

/** A domain of Xen 2 with an interface on the host's bridge; the test is its controller. */
export class NetifGuest {
  readonly guest: TestGuest;
  lan: Lan;
  #connects = 0;

  constructor(options: TestGuestOptions = {}) {
    this.lan = lan({ interface: 'xen-2.0' });
    this.guest = new TestGuest(netifKernel(), { ...options, host: this.lan.host });
    this.serve();
    this.join();
  }

  call(symbol: string, ...args: readonly number[]): number {
    return this.guest.call(`test_${symbol}`, ...args);
  }

  run(ns: number): void {
    this.lan.host.runFor(ns);
  }

  #post<S extends Struct>(subtype: number, payload: S, fill: (view: View<S>) => void): void {
    const memory = new BytesMemory(new Uint8Array(control_msg.size));
    const message = control_msg.at(memory, 0);
    message.type = CMSG_NETIF_BE;
    message.subtype = subtype;
    message.length = payload.size;
    fill(payload.at(memory, PAYLOAD) as View<S>);
    this.lan.host.xennetback.receive(memory.bytes);
    const status = memory.ld32(PAYLOAD + (payload.offset.status as number));
    if (status !== 0) throw new Error(`expected the back end to do ${subtype}, found ${status}`);
  }

  /** The host's back end has the interface, on its bridge. */
  serve(): void {
    const { domid } = this.guest;
    this.#post(CMSG_NETIF_BE_CREATE, netif_be_create, (view) => {
      view.domid = domid;
      view.mac = MAC_BYTES;
    });
    this.lan.host.xennetback.attach(domid, 0, 'xenbr0');
  }

  /** From DISCONNECTED to the interface's being up. */
  join(): void {
    const { hv } = this.lan.host;
    const { domid } = this.guest;
    this.run(1e6);
    this.call('tell', NETIF_INTERFACE_STATUS_DISCONNECTED, 0);
    this.run(1e6);
    if (this.call('connects') !== ++this.#connects) throw new Error('expected INTERFACE_CONNECT');
    const port = hv.dom0.allocUnbound(domid, 0);
    const [tx, rx] = [this.call('tx_frame'), this.call('rx_frame')];
    this.#post(CMSG_NETIF_BE_CONNECT, netif_be_connect, (view) => {
      view.domid = domid;
      view.tx_shmem_frame = tx;
      view.rx_shmem_frame = rx;
      view.evtchn = port;
    });
    this.call('tell', NETIF_INTERFACE_STATUS_CONNECTED, port);
    this.run(50e6);
  }

  /** What the controller does when the driver asks to be disconnected. */
  letGo(): void {
    const { domid } = this.guest;
    this.#post(CMSG_NETIF_BE_DISCONNECT, netif_be_destroy, (view) => {
      view.domid = domid;
    });
  }

  /** What the peer heard since this was asked last: lengths. */
  heard(): number[] {
    this.run(50e6);
    return this.lan.heard.splice(0).map(({ bytes }) => bytes.length);
  }

  /** Saves, and restores on the next host, where the interface is up again. */
  move(): void {
    const image = this.guest.save();
    this.lan = lan({ interface: 'xen-2.0', slot: this.lan.host.hv.slot + 1 });
    this.guest.restore(image, { host: this.lan.host });
    this.serve();
    this.join();
  }
}
