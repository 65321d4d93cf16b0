/*
 * What the network front end over the controller interface stands on.
 */
import { XEN2_NETIF_RING_SIZE } from '@port-xen/abi';
import type { Evtchn } from '@port-xen/evtchn';
import type { Cpu, Kern } from '@port-xen/kern';
import type { NetworkStack } from './network-stack.ts';
import type { XennetKern, XennetPmap, XennetUvm } from './xennet-parts.ts';

/** Virtual time of a slot, beyond the macro-instruction that deals with it. */
export const SLOT_NS = 300;

/** Every id of a ring. */
export const IDS: readonly number[] = Array.from({ length: XEN2_NETIF_RING_SIZE }, (_, id) => id);

/** What the driver needs of the controller interface. */
export interface XennetController {
  registerReceiver(type: number, func: number): boolean;
  /** @param msg the address that the receiver was given */
  sendResponse(msg: number): boolean;
}

/** What it needs of memory besides: whose frame it is that somebody names. */
export interface NetifPmap extends XennetPmap {
  readonly nrPages: number;
  paOf(mfn: number): number;
  extractMfn(pmap: number, va: number): number;
  /** @returns false, nothing changed, when Xen does not let it be mapped so */
  tryReplaceMa(va: number, mfn: number, writable: boolean): boolean;
}

/** Everything that the driver is linked from. */
export interface XennetCtrlIfParts {
  readonly cpu: Cpu;
  readonly kern: XennetKern & Pick<Kern, 'spl'>;
  readonly evtchn: Evtchn;
  readonly pmap: NetifPmap;
  readonly uvm: XennetUvm;
  readonly ctrlIf: XennetController;
  readonly stack: NetworkStack;
}
