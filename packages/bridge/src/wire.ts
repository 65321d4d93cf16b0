/*
 * A wire between the bridges of two hosts of one world: a port on each, and what one sends the other receives. A frame that
 * leaves its host carries its checksum: whoever receives it there cannot know that it was never at risk.
 */
import type { Bridge } from './bridge.ts';
import { completed } from './checksum.ts';
import type { LinkQuality } from './link.ts';
import type { Port } from './port.ts';

/** Within the far bridge's socket: the wire's own quality counts, and only once. */
const SOCKET: Partial<LinkQuality> = { latency_ns: 0, bandwidth_bps: Number.POSITIVE_INFINITY };

/** Both ends of a wire. */
export interface Wire {
  /** On the first bridge and on the second; `toStation` of each is the wire's way to the other. */
  readonly ports: readonly [Port, Port];
  /** Changes both directions: `{ loss_ppm: 1_000_000 }` pulls the plug. */
  change(quality: Partial<LinkQuality>): void;
  /** Takes the wire away. */
  cut(): void;
}

/** Joins two bridges. */
export const joinBridges = (
  first: Bridge,
  second: Bridge,
  quality: Partial<LinkQuality> = {},
): Wire => {
  const cable = { toBridge: SOCKET, toStation: quality };
  const left: Port = first.attach(
    `wire to ${second.name}`,
    { receive: (frame) => right.send(completed(frame)) },
    cable,
  );
  const right: Port = second.attach(
    `wire to ${first.name}`,
    { receive: (frame) => left.send(completed(frame)) },
    cable,
  );
  const ports = [left, right] as const;
  return {
    ports,
    change: (changed) => {
      for (const { toStation } of ports) toStation.change(changed);
    },
    cut: () => {
      for (const port of ports) port.detach();
    },
  };
};
