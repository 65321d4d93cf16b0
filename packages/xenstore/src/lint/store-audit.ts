/*
 * Looks over a daemon's shoulder: every node that is written is checked when it is, whoever writes
 * it and whether or not it is there at the end, and every state of a device against the handshake
 * of its two ends.
 */
import { latin1 } from '../latin1.ts';
import type { Xenstored } from '../xenstored.ts';
import { lintStore, lintValue } from './lint-store.ts';
import { type End, XenbusHandshake } from './xenbus-handshake.ts';

const FRONT = /^\/local\/domain\/(\d+)\/device\/(\w+)\/(\d+)\/state$/;
const BACK = /^\/local\/domain\/\d+\/backend\/(\w+)\/(\d+)\/(\d+)\/state$/;

/** Findings that are kept; a world that goes on doing one thing wrong is not to fill memory with it. */
const FINDINGS_MAX = 100;

/** The two ends of a device by one name; undefined when `path` is not the state of a device. */
const deviceAt = (path: string): { key: string; end: End } | undefined => {
  const front = FRONT.exec(path);
  if (front !== null) return { key: `${front[2]}/${front[1]}/${front[3]}`, end: 'front' };
  const back = BACK.exec(path);
  return back === null ? undefined : { key: `${back[1]}/${back[2]}/${back[3]}`, end: 'back' };
};

/** Checks a daemon's nodes from now on. */
export class StoreAudit {
  readonly #daemon: Xenstored;
  readonly #devices = new Map<string, XenbusHandshake>();
  /** Paths of states that are there, by which a removed directory is noticed. */
  readonly #states = new Set<string>();
  readonly #findings = new Set<string>();

  constructor(daemon: Xenstored) {
    this.#daemon = daemon;
    daemon.observe((path, value) => {
      if (value === undefined) this.#removed(path);
      else this.#written(path, value);
    });
  }

  /** All that was wrong since the beginning, and what is wrong with the permissions of nodes that are there now. */
  findings(): string[] {
    for (const sentence of lintStore(this.#daemon.dump())) this.#find(sentence);
    return [...this.#findings];
  }

  #find(sentence: string | undefined): void {
    if (sentence !== undefined && this.#findings.size < FINDINGS_MAX) this.#findings.add(sentence);
  }

  #written(path: string, value: Uint8Array): void {
    this.#find(lintValue(path, value));
    const device = path.endsWith('/state') ? deviceAt(path) : undefined;
    if (device === undefined) return;
    const handshake = this.#devices.get(device.key) ?? new XenbusHandshake();
    this.#devices.set(device.key, handshake);
    this.#states.add(path);
    const sentence = handshake.step(device.end, Number(latin1(value)));
    if (sentence !== undefined) this.#find(`${sentence} at ${path}`);
  }

  #removed(top: string): void {
    for (const path of this.#states) {
      if (!path.startsWith(`${top}/`) && path !== top) continue;
      this.#states.delete(path);
      const { key, end } = deviceAt(path) as { key: string; end: End };
      if (this.#devices.get(key)?.gone(end)) this.#devices.delete(key);
    }
  }
}
