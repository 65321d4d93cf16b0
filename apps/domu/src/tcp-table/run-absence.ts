/*
 * One absence: two domains on one host, one of which is saved, stays away, and is restored.
 */
import { MemoryImage, sourceOfFile } from '@port-xen/migration-stream';
import { type DomainConfig, fromJson } from '@port-xen/toolstack';
import type { Guest } from '../guest.ts';
import { completeHost } from '../host-options.ts';
import { World } from '../world.ts';
import { CONVERSATIONS, LEAVES_S } from './conversations.ts';

const MEMORY_MIB = 16;
const SEED = 2008;
/** How long is waited for the end of all conversations, after the return. */
const PATIENCE_S = 1200;

/** How a conversation ended on one side. */
export interface End {
  /** What it printed; 'waits' when it had not ended. */
  readonly text: string;
  /** Seconds after the departure. */
  readonly time_s: number;
}

/** By port. */
export interface Ends {
  readonly leaves: ReadonlyMap<number, End>;
  readonly stays: ReadonlyMap<number, End>;
}

const configOf = (name: string, address: number, commands: readonly string[]): DomainConfig =>
  fromJson(
    JSON.stringify({
      c_info: { type: 'pv', name, uuid: `20080612-0000-4000-8000-00000000000${address}` },
      b_info: {
        max_vcpus: 1,
        avail_vcpus: [0],
        max_memkb: MEMORY_MIB * 1024,
        target_memkb: MEMORY_MIB * 1024,
        cmdline: `xennet0=10.9.0.${address}/24 init=sh -c ${commands.map((c) => `tcptalk ${c}&`).join('')}wait`,
        'type.pv': {},
      },
      nics: [{ devid: 0, mac: `00:16:3e:00:00:0${address}`, bridge: 'xenbr0' }],
      on_poweroff: 'preserve',
    }),
  );

/** @throws Error when a domain cannot be saved */
export const runAbsence = (guest: Guest, away_s: number): Ends => {
  const printed = new Map<number, string>();
  const ends = { leaves: new Map<number, End>(), stays: new Map<number, End>() };
  let staying = -1;
  let left_ns = 0;
  const world = new World({
    seed: SEED,
    host: completeHost({}, SEED, 0),
    guestMemory_mib: 3 * MEMORY_MIB,
    engine: guest.engine,
    kernel: guest.elf,
    openDisk: (path) => {
      throw new Error(`expected no disk, found ${path}`);
    },
    console: (domid, bytes) => {
      const lines = ((printed.get(domid) ?? '') + Buffer.from(bytes).toString('latin1')).split(
        '\n',
      );
      printed.set(domid, lines.pop() ?? '');
      for (const line of lines) {
        const [, port, text = ''] = /tcptalk (\d+): (.*)$/.exec(line) ?? [];
        if (port === undefined) continue;
        const time_s = Math.round((world.sim.now_ns - left_ns) / 1e9);
        ends[domid === staying ? 'stays' : 'leaves'].set(Number(port), { text, time_s });
      }
    },
  });
  const { sim, xl } = world;

  staying = xl.create(
    configOf(
      'stays',
      1,
      CONVERSATIONS.map((one) => one.stays(away_s)),
    ),
    guest.elf,
  );
  const leaving = xl.create(
    configOf(
      'leaves',
      2,
      CONVERSATIONS.map((one) => one.leaves),
    ),
    guest.elf,
  );
  sim.runFor((LEAVES_S - 2) * 1e9);
  xl.pause(staying);
  sim.runFor(2e9);
  const image = new MemoryImage();
  world.save(leaving, image);
  left_ns = sim.now_ns;
  xl.unpause(staying);
  sim.runFor(away_s * 1e9);
  const { domid } = xl.restore(sourceOfFile(image));
  xl.unpause(domid);
  sim.runFor(PATIENCE_S * 1e9);
  return ends;
};
