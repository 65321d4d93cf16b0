import type { LinkQuality } from '@port-xen/bridge';

/** Two of the longest frames: a slow link with a long queue would keep what is sent waiting for seconds. */
const QUEUE_BYTES = 2 * 0x1_0000;

/**
 * What a `rate` node makes of the way from an interface to its bridge: so many bytes in so many microseconds, as libxl writes it.
 * What cannot be sent yet stays in the ring. Nothing, or what is no rate, is no limit.
 */
export const limitOf = (rate: string | undefined): Partial<LinkQuality> => {
  const [, bytes, interval_us] = /^([1-9][0-9]{0,15}),([1-9][0-9]{0,9})$/.exec(rate ?? '') ?? [];
  if (bytes === undefined || interval_us === undefined) return {};
  return { bandwidth_bps: (Number(bytes) * 8e6) / Number(interval_us), queue_bytes: QUEUE_BYTES };
};
