export { Bridge, type BridgeCounters, type BridgeParts } from './bridge.ts';
export { completed, hasTransportChecksum } from './checksum.ts';
export { ETHER_HDR_LEN, type Frame, MAX_FRAME_BYTES, type Station } from './frame.ts';
export { LINK_DEFAULTS, Link, type LinkCounters, type LinkQuality } from './link.ts';
export type { Cable, Port } from './port.ts';
export { joinBridges, type Wire } from './wire.ts';
