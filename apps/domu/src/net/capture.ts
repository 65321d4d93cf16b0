import { closeSync, openSync, writeSync } from 'node:fs';
import { completed } from '@port-xen/bridge';
import { PcapngWriter } from '@port-xen/pcapng';
import { reasonOf, UserError } from '../user-error.ts';
import type { World } from '../world.ts';

/** Everything that passes the network interfaces of a world, in a file for tshark: an interface a vif. */
export class Capture {
  readonly #world: World;
  readonly #fd: number;
  readonly #writer: PcapngWriter;
  readonly #interfaces = new Map<string, number>();
  readonly #notes: string[] = [];

  /** @throws UserError when the file cannot be made */
  constructor(path: string, world: World) {
    this.#world = world;
    try {
      this.#fd = openSync(path, 'w');
    } catch (error) {
      throw new UserError(`capture ${path} cannot be written: ${reasonOf(error)}`);
    }
    this.#writer = new PcapngWriter((bytes) => writeSync(this.#fd, bytes), {
      application: 'port-xen domu',
      epoch_s: Math.floor(world.host.wallclock_ns / 1e9),
    });
    world.xennetback.listen(({ name, mac }, direction, frame) => {
      this.#writer.frame(this.#interfaceOf(name, mac), {
        time_ns: world.sim.now_ns,
        // Checksums that were left to the hardware are made up, as they would be on a wire.
        bytes: completed(frame).bytes,
        direction,
      });
    });
  }

  #interfaceOf(name: string, mac: string): number {
    const known = this.#interfaces.get(name);
    if (known !== undefined) return known;
    const bytes = Uint8Array.from(mac.split(':'), (part) => Number.parseInt(part, 16));
    const added = this.#writer.addInterface({ name, ...(bytes.length === 6 && { mac: bytes }) });
    this.#interfaces.set(name, added);
    for (const note of this.#notes) this.#writer.note(added, note);
    return added;
  }

  /** A comment on the next frame of every interface, those to come included. */
  note(text: string): void {
    this.#notes.push(
      `${text}, ${(this.#world.sim.now_ns / 1e9).toFixed(6)} s after the world began`,
    );
    for (const added of this.#interfaces.values()) {
      this.#writer.note(added, this.#notes.at(-1) as string);
    }
  }

  close(): void {
    this.#writer.end();
    closeSync(this.#fd);
  }
}
