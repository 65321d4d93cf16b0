export { netif_data } from './netif-data.ts';
export type { NetifPmap, XennetCtrlIfParts } from './netif-parts.ts';
export { netifText } from './netif-text.ts';
export type { NetworkStack, StackIfnet, StackMbuf, StackMbufs } from './network-stack.ts';
export { Xennet } from './xennet.ts';
export { XennetCtrlIf } from './xennet-ctrl-if.ts';
export { NXENNET, xennet_data, xennet_softc } from './xennet-data.ts';
export type {
  XennetBus,
  XennetKern,
  XennetParts,
  XennetPmap,
  XennetUvm,
} from './xennet-parts.ts';
export { xennetText } from './xennet-text.ts';
