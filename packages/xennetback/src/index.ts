export type { Counters } from './counters.ts';
export type { Features } from './features.ts';
export type { NetbackXen } from './netback-xen.ts';
export type { VifName } from './vif.ts';
export { type FrameListener, Xennetback, type XennetbackParts } from './xennetback.ts';
