/*
 * What a running world does when it is asked: xl's commands on its toolstack.
 */
import { createWriteStream } from 'node:fs';
import type { Socket } from 'node:net';
import { dumpCore, parseDisk } from '@port-xen/toolstack';
import { diskFrom, FileDisk } from '../file-disk.ts';
import type { Pace } from '../pace.ts';
import type { Session } from '../session.ts';
import type { StoryLog } from '../story.ts';
import { reasonOf, UserError } from '../user-error.ts';
import type { World } from '../world.ts';

import {
  frameHead,
  type HostFacts,
  OUTPUT,
  type Request,
  TAKEN,
  type VcpuRow,
} from './protocol.ts';
import type { Typist, Typists } from './typists.ts';

/** How a request ends: once, now or later. */
export type Done = (error: Error | null, result?: unknown) => void;

const text = (request: Request, name: string): string => {
  const value = request[name];
  if (typeof value === 'string') return value;
  throw new UserError(`expected ${name}, found ${JSON.stringify(value)}`);
};

/** The commands of one world. */
export class Commands {
  readonly #world: World;
  readonly #session: Session;
  readonly #log: StoryLog;
  readonly #pace: Pace | undefined;
  readonly #typists: Typists;
  readonly #consoles = new Map<Socket, number>();

  constructor(world: World, session: Session, log: StoryLog, typists: Typists, pace?: Pace) {
    this.#typists = typists;
    this.#pace = pace;
    this.#world = world;
    this.#session = session;
    this.#log = log;
  }

  /** The domain that a request names. @throws UserError */
  domain(request: Request): number {
    const name = text(request, 'domain');
    const row = this.#world.xl.list().find((r) => r.name === name || String(r.domid) === name);
    if (row === undefined) {
      throw new UserError(`${name} is an invalid domain identifier: no such domain`);
    }
    return row.domid;
  }

  /** Gives the console's bytes to a connection, and what it sends to the console. */
  attachConsole(domid: number, socket: Socket, typed: Buffer): void {
    this.#consoles.set(socket, domid);
    const typist = (count: number): void => void socket.write(frameHead(TAKEN, count));
    const type = (bytes: Buffer): void => this.#type(domid, typist, bytes);
    if (typed.length > 0) type(typed);
    socket.on('data', type);
    socket.on('close', () => this.#consoles.delete(socket));
  }

  #type(domid: number, typist: Typist, bytes: Uint8Array): void {
    const { sim } = this.#world;
    // Now, if the world is held to real time: an idle world's last event may be long ago.
    sim.at(this.#pace?.now_ns ?? sim.now_ns, () => {
      this.#typists.typed(domid, typist, bytes.length);
      this.#world.type(domid, bytes);
    });
    this.#pace?.wake();
  }

  /** The guest printed something. */
  printed(domid: number, bytes: Uint8Array): void {
    for (const [socket, of] of this.#consoles) {
      if (of !== domid) continue;
      socket.write(frameHead(OUTPUT, bytes.length));
      socket.write(bytes);
    }
  }

  /** @throws UserError, or what the toolstack throws */
  run(request: Request, done: Done): void {
    const { xl } = this.#world;
    switch (request.command) {
      case 'list':
        done(null, xl.list());
        return;
      case 'vcpu-list':
        done(null, this.#vcpus());
        return;
      case 'info':
        done(null, this.#info());
        return;
      case 'dmesg':
        done(null, this.#log.lines);
        return;
      case 'pause':
        xl.pause(this.domain(request));
        done(null);
        return;
      case 'unpause':
        xl.unpause(this.domain(request));
        done(null);
        return;
      case 'destroy':
        this.#session.destroy(this.domain(request));
        done(null);
        return;
      case 'shutdown':
        this.#shutdown(this.domain(request), 'poweroff', done);
        return;
      case 'reboot':
        this.#shutdown(this.domain(request), 'reboot', done);
        return;
      case 'sysrq':
        xl.sysrq(this.domain(request), text(request, 'key'));
        done(null);
        return;
      case 'mem-set':
        xl.setMemoryTarget(this.domain(request), Number(request.mib));
        done(null);
        return;
      case 'save':
        this.#session.saveNow(
          this.domain(request),
          text(request, 'file'),
          request.checkpoint === true,
          done,
        );
        return;
      case 'block-attach':
        this.#attachDisk(this.domain(request), text(request, 'disk'), text(request, 'folder'));
        done(null);
        return;
      case 'block-detach':
        xl.detachDisk(this.domain(request), text(request, 'vdev'), done);
        return;
      case 'block-list':
        done(null, xl.listDisks(this.domain(request)));
        return;
      case 'dump-core':
        this.#dump(this.domain(request), text(request, 'file'), done);
        return;
      default:
        throw new UserError(`this world knows no command ${JSON.stringify(request.command)}`);
    }
  }

  #vcpus(): VcpuRow[] {
    return this.#world.xl
      .list()
      .flatMap(({ name, domid, vcpus, state, time_s }) =>
        Array.from({ length: vcpus }, (_, vcpu) => ({ name, domid, vcpu, state, time_s })),
      );
  }

  #info(): HostFacts {
    const { hv, host } = this.#world;
    const { total, free } = hv.counts();
    const { major, minor, extra } = hv.version;
    return {
      xen_major: major,
      xen_minor: minor,
      xen_extra: extra,
      xen_caps: 'xen-3.0-x86_64',
      nr_cpus: 1,
      cpu_khz: host.tscKhz,
      total_memory: Math.floor(total / 256),
      free_memory: Math.floor(free / 256),
      slot: host.slot,
      first_mfn: `0x${hv.firstMfn.toString(16)}`,
      uptime_s: Math.floor(hv.uptime_ns() / 1e9),
    };
  }

  /** Answered with the domain's number. */
  #shutdown(domid: number, how: 'poweroff' | 'reboot', done: Done): void {
    this.#world.xl.requestShutdown(domid, how);
    done(null, domid);
  }

  /** @param folder that whoever asks is in: this world runs in another */
  #attachDisk(domid: number, spec: string, folder: string): void {
    const disk = diskFrom(folder, parseDisk(spec));
    // A disk that cannot be had is refused before the guest hears of it.
    FileDisk.check(disk);
    this.#world.xl.attachDisk(domid, disk);
  }

  #dump(domid: number, path: string, done: Done): void {
    const out = createWriteStream(path, { mode: 0o600 });
    out.on('error', (error) => done(new UserError(`${path}: ${reasonOf(error)}`)));
    out.on('open', () => {
      try {
        for (const chunk of dumpCore(this.#world.hv, domid)) out.write(chunk);
        out.end(() => done(null));
      } catch (error) {
        out.destroy();
        done(error as Error);
      }
    });
  }
}
