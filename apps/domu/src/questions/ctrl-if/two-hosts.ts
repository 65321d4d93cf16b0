/*
 * One domain of Xen 2 over one save and restore, or one cancelled suspend, with a domain 0 that works, is busy, or has died; and what a
 * person sees of it.
 */
import type { CtrlIf } from '@port-xen/ctrl-if';
import type { ControllerHost } from '@port-xen/domain-controller';
import type { Hypervisor } from '@port-xen/hypervisor';
import { MemoryImage, sourceOfFile } from '@port-xen/migration-stream';
import type { DomainConfig } from '@port-xen/toolstack';
import { makeGuest } from '../../guest.ts';
import { completeHost } from '../../host-options.ts';
import { World } from '../../world.ts';
import { numberedDisk, watchedEngine } from '../two-lives.ts';
import { askerVariant } from './asker.ts';
import type { Dom0, Step } from './steps.ts';

/** When a suspend comes. */
export type Moment = Pick<Step, 'dom0' | 'asking' | 'cancelled'>;

const SEED = 2004;
const MEMORY_MIB = 8;
const SETTLED_NS = 50e6;
/** How late a busy domain 0 looks. */
const LATE_NS = 40e6;
/** How long is looked at the domain after it has gone on. */
const AFTER_NS = 5e9;

const CONFIG: DomainConfig = {
  name: 'question',
  uuid: '20041105-0000-4000-8000-717565737469',
  maxVcpus: 1,
  availVcpus: [0],
  maxMem_kib: MEMORY_MIB * 1024,
  targetMem_kib: MEMORY_MIB * 1024,
  cmdline: 'init=sleep 3600',
  interface: 'xen-2.0',
  disks: [{ pdevPath: 'numbered', vdev: 'xvda', format: 'raw', readwrite: false }],
  nics: [],
  onPoweroff: 'destroy',
  onReboot: 'restart',
  onWatchdog: 'destroy',
  onCrash: 'destroy',
  onSoftReset: 'soft_reset',
};

/** A hypervisor whose events reach the controller as domain 0 gets to them. */
const attended = (hv: Hypervisor, dom0: () => Dom0): ControllerHost => ({
  sim: hv.sim,
  domains: hv.domains,
  onDomainShutdown: (listener) => hv.onDomainShutdown(listener),
  dom0: {
    mapForeign: (domid, mfn) => hv.dom0.mapForeign(domid, mfn),
    allocUnbound: (domid, remote) => hv.dom0.allocUnbound(domid, remote),
    notify: (port) => hv.dom0.notify(port),
    close: (port) => hv.dom0.close(port),
    bindInterdomain: (remote, port, handler) =>
      hv.dom0.bindInterdomain(remote, port, () => {
        const state = dom0();
        if (state === 'works') handler();
        else if (state === 'busy') hv.sim.after(LATE_NS, handler);
      }),
  },
});

/** What was seen. */
export interface Seen {
  /** What the console showed on each host. */
  readonly consoles: readonly [string, string];
  /** What came of the controller's memory request; undefined while nothing has. */
  readonly memory: string | undefined;
  /** The kernel died. */
  readonly crashed: boolean;
}

/**
 * Lives through it.
 * @param ctrlIf the controller interface, or one that lacks a step @param onEntry told the kernel's entry points as they run
 */
export const throughSuspend = (
  step: Moment,
  ctrlIf: typeof CtrlIf,
  onEntry?: (symbol: string) => void,
): Seen => {
  const asking = { questions: 0, under: 'ctrlif0', memory_ticks: 0, ...step.asking } as const;
  const guest = makeGuest(false, askerVariant(asking, ctrlIf));
  const consoles: [string, string] = ['', ''];
  let state: Dom0 = 'works';
  let memory: string | undefined;
  const worldOf = (life: 0 | 1): World => {
    const world: World = new World({
      seed: SEED + life,
      host: completeHost({ disjoint: true }, SEED + life, life, 'xen-2.0'),
      guestMemory_mib: MEMORY_MIB,
      engine:
        onEntry === undefined
          ? guest.engine
          : watchedEngine(guest.engine, () => world.sim.now_ns, onEntry),
      kernel: guest.elf,
      openDisk: numberedDisk,
      console: (_, bytes) => {
        consoles[life] += Buffer.from(bytes).toString('latin1');
      },
      controllerHost: (hv) => attended(hv, () => (life === 0 ? state : 'works')),
    });
    return world;
  };

  const here = worldOf(0);
  const domid = here.xl.create(CONFIG, guest.elf);
  here.sim.runFor(SETTLED_NS);
  if (asking.memory_ticks > 0) {
    here.controller.setMemory(domid, MEMORY_MIB * 256, (error) => {
      memory = error === null ? 'done' : 'refused';
    });
    here.sim.runFor(SETTLED_NS);
  }
  state = step.dom0;
  const image = new MemoryImage();
  here.save(domid, image, { checkpoint: step.cancelled === true });
  if (step.cancelled === true) {
    here.sim.runFor(AFTER_NS);
    return { consoles, memory, crashed: !here.hv.domains.has(domid) };
  }
  const there = worldOf(1);
  const { domid: again } = there.xl.restore(sourceOfFile(image));
  there.xl.unpause(again);
  there.sim.runFor(AFTER_NS);
  return { consoles, memory, crashed: !there.hv.domains.has(again) };
};
