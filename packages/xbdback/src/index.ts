export type { BlockStore, OpenBlockStore } from './block-store.ts';
export { Xbdback, type XbdbackParts } from './xbdback.ts';
