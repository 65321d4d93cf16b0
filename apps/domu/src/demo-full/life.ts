/*
 * A world for both domains of `domu demo --full`: its story and the consoles are shown, and what `work` prints is kept in a file.
 */
import { appendFileSync } from 'node:fs';
import pc from 'picocolors';
import { FileDisk } from '../file-disk.ts';
import type { Guest } from '../guest.ts';
import { completeHost } from '../host-options.ts';
import { storyLine } from '../story.ts';
import { UserError } from '../user-error.ts';
import { whereabouts } from '../whereabouts.ts';
import { World } from '../world.ts';
import { MEMORY_MIB, NAMES, type Name, printedOf } from './two-domains.ts';

/** Virtual time that anything may take. */
const PATIENCE_NS = 600e9;

/** A world, from the making of its domains on. */
export class Life {
  readonly world: World;
  readonly #domids = new Map<number, Name>();
  readonly #partial = new Map<number, string>();
  #printed = '';

  constructor(guest: Guest, folder: string, seed: number, slot: number) {
    this.world = new World({
      seed,
      host: completeHost({ disjoint: true }, seed, slot, guest.interface),
      guestMemory_mib: NAMES.length * MEMORY_MIB,
      engine: guest.engine,
      kernel: guest.elf,
      openDisk: (path, mode) => new FileDisk(path, mode),
      console: (domid, bytes) =>
        this.#console(folder, domid, Buffer.from(bytes).toString('latin1')),
    });
    this.world.sim.trace.listenToStory((time_ns, subsystem, text) => {
      process.stdout.write(`${storyLine(time_ns, subsystem, text)}\n`);
    });
  }

  #console(folder: string, domid: number, text: string): void {
    const name = this.#domids.get(domid) ?? '';
    if (name === 'work') appendFileSync(printedOf(folder), text, 'latin1');
    this.#printed += text;
    const lines = ((this.#partial.get(domid) ?? '') + text).split('\n');
    this.#partial.set(domid, lines.pop() ?? '');
    for (const line of lines) {
      process.stdout.write(`${' '.repeat(17)}${pc.green(name.padEnd(12))} ${line}\n`);
    }
  }

  /** Takes a domain in that was made, and lets it run. */
  add(name: Name, domid: number): void {
    this.#domids.set(domid, name);
    this.world.xl.unpause(domid);
  }

  domid(wanted: Name): number {
    for (const [domid, name] of this.#domids) if (name === wanted) return domid;
    throw new Error(`expected a domain ${wanted}`);
  }

  /** @throws UserError when it takes too long */
  runUntil(what: string, done: () => boolean): void {
    const { sim } = this.world;
    const end_ns = sim.now_ns + PATIENCE_NS;
    sim.runUntil(() => done() || sim.now_ns > end_ns);
    if (!done()) throw new UserError(`expected ${what} within ten minutes, found none`);
  }

  untilPrinted(text: string): void {
    this.runUntil(`a console to show ${text}`, () => this.#printed.includes(text));
  }

  facts(): void {
    for (const name of NAMES) {
      process.stdout.write('\n');
      for (const [key, value] of whereabouts(this.world, this.domid(name))) {
        process.stdout.write(`  ${name.padEnd(5)} ${pc.bold(key.padEnd(10))} ${value}\n`);
      }
    }
    process.stdout.write('\n');
  }
}
