/*
 * One network interface of one domain of Xen 2, as a control message made it: its place on a bridge, and the rings while it is connected.
 *
 *     CREATE ─▶ disconnected ─ CONNECT ─▶ connected ─ DISCONNECT ─▶ disconnected ─ DESTROY ─▶ gone
 *
 * It is put on a bridge by who asked for it, as xend has a script do it; what comes for a guest that is not connected is dropped.
 */
import {
  NETIF_BE_STATUS_INTERFACE_CONNECTED,
  NETIF_BE_STATUS_MAPPING_ERROR,
  NETIF_BE_STATUS_OKAY,
} from '@port-xen/abi';
import type { Bridge, Cable, Frame, Port } from '@port-xen/bridge';
import { XenError } from '@port-xen/hypervisor';
import type { Sim } from '@port-xen/sim';
import { Connection } from './connection.ts';
import type { Counting } from './counters.ts';
import { machineRings } from './machine-rings.ts';
import type { NetbackXen } from './netback-xen.ts';
import { limitOf } from './rate.ts';
import type { VifName } from './vif.ts';

/** What an interface is made of. */
export interface NetifParts {
  readonly sim: Sim;
  readonly dom0: NetbackXen;
  readonly cable: Cable;
  readonly counting: Counting;
  readonly onFrame: (vif: VifName, direction: 'in' | 'out', frame: Frame) => void;
}

/** Neither side leaves checksums blank, and a packet is one page's. */
const PLAIN = { sg: false, checksumOffload: false };
/** Machine addresses have 32 bits. */
const MAX_MFN = 2 ** 20;

/** Functions give NETIF_BE_STATUS_*. */
export class NetifInterface {
  readonly #parts: NetifParts;
  #name: VifName;
  #port: Port | undefined;
  #connection: Connection | undefined;

  /** @param mac `00:16:3e:xx:xx:xx` */
  constructor(parts: NetifParts, domid: number, devid: number, mac: string) {
    this.#parts = parts;
    this.#name = { name: `vif${domid}.${devid}`, domid, devid, mac };
  }

  get connected(): boolean {
    return this.#connection !== undefined;
  }

  /** Puts it on a bridge, instead of where it was. */
  attach(bridge: Bridge, name: string | undefined, rate: string | undefined): void {
    this.#port?.detach();
    this.#name = { ...this.#name, name: name ?? this.#name.name };
    const { cable, counting } = this.#parts;
    const receive = (frame: Frame): void => {
      if (this.#connection === undefined) counting.rxDropped++;
      else this.#connection.receive(frame);
    };
    const toBridge = { ...cable.toBridge, ...limitOf(rate) };
    this.#port = bridge.attach(this.#name.name, { receive }, { ...cable, toBridge });
  }

  /** Maps the rings and binds the port, all of them the guest's. */
  connect(txMfn: number, rxMfn: number, remotePort: number): number {
    if (this.#connection !== undefined) return NETIF_BE_STATUS_INTERFACE_CONNECTED;
    if (this.#port === undefined || txMfn >= MAX_MFN || rxMfn >= MAX_MFN) {
      return NETIF_BE_STATUS_MAPPING_ERROR;
    }
    const { sim, dom0, counting, onFrame } = this.#parts;
    const { domid, devid } = this.#name;
    const handle = {
      domid,
      devid,
      draining: false,
      giveUp: (sentence: string) => {
        this.#tell(`${sentence}; it is disconnected`);
        this.disconnect();
      },
      tell: (sentence: string) => this.#tell(sentence),
    };
    try {
      this.#connection = new Connection(
        {
          sim,
          dom0,
          handle,
          features: PLAIN,
          frontend: PLAIN,
          port: this.#port,
          counting,
          onFrame: (direction, frame) => onFrame(this.#name, direction, frame),
        },
        machineRings({ dom0, domid, txMfn, rxMfn }),
        remotePort,
      );
      return NETIF_BE_STATUS_OKAY;
    } catch (error) {
      if (!(error instanceof XenError)) throw error;
      this.#tell(error.message);
      return NETIF_BE_STATUS_MAPPING_ERROR;
    }
  }

  /** What waits is dropped. One that is not connected is so already. */
  disconnect(): number {
    this.#connection?.release();
    this.#connection = undefined;
    return NETIF_BE_STATUS_OKAY;
  }

  /** It is no more. */
  destroy(): void {
    this.disconnect();
    this.#port?.detach();
    this.#port = undefined;
  }

  #tell(sentence: string): void {
    const { domid, devid } = this.#name;
    this.#parts.sim.tell('xennetback', `domain ${domid}, device ${devid}: ${sentence}`);
  }
}
