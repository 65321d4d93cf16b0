/** One host for tests: a machine, its store daemon, and the toolstack. */
import { Hypervisor } from '@port-xen/hypervisor';
import type { Source } from '@port-xen/migration-stream';
import { Sim } from '@port-xen/sim';
import type { Engine } from '@port-xen/vcpu';
import { type StoreClient, Xenstored } from '@port-xen/xenstore';
import type { DomainConfig } from '../src/domain-config.ts';
import type { DomainController } from '../src/domain-controller.ts';
import { Toolstack } from '../src/toolstack.ts';

export interface TestHost {
  readonly sim: Sim;
  readonly hv: Hypervisor;
  readonly xenstored: Xenstored;
  readonly store: StoreClient;
  readonly xl: Toolstack;
  readonly story: string[];
  /** Runs the world for so long. */
  run(ns: number): void;
}

export const makeHost = (
  slot: number,
  engineFor: (kernel: Uint8Array | undefined) => Engine,
  options: { mib?: number; sim?: Sim; slotFrames?: number; controller?: DomainController } = {},
): TestHost => {
  const sim = options.sim ?? new Sim(7);
  const frames = (options.mib ?? 64) * 256;
  const hv = new Hypervisor({
    sim,
    memory: new ArrayBuffer(frames * 4096),
    slot,
    ...(options.slotFrames !== undefined && { slotFrames: options.slotFrames }),
    frames,
    tscKhz: 2_400_000,
    uptime_ns: 1e12 * (slot + 1),
    wallclock_ns: 1.7e18,
    firstDomid: 1 + 10 * slot,
    firstPort: 1 + 5 * slot,
  });
  const rings = new Map<number, () => void>();
  const release = (domid: number): void => {
    rings.get(domid)?.();
    rings.delete(domid);
  };
  const xenstored: Xenstored = new Xenstored({
    sim,
    onIntroduce: (domid, mfn, port) => {
      release(domid);
      const mapping = hv.dom0.mapForeign(domid, mfn);
      const local = hv.dom0.bindInterdomain(domid, port, () => xenstored.kick(domid));
      rings.set(domid, () => {
        mapping.unmap();
        hv.dom0.close(local);
      });
      return { ring: mapping.memory, notify: () => hv.dom0.notify(local) };
    },
    onRelease: release,
  });
  hv.onDomainShutdown((domid) => xenstored.domainShutdown(domid));
  const story: string[] = [];
  sim.trace.listenToStory((_, who, text) => story.push(`${who}: ${text}`));
  return {
    sim,
    hv,
    xenstored,
    store: xenstored.connect(0),
    xl: new Toolstack({
      sim,
      hv,
      xenstored,
      engineFor,
      ...(options.controller !== undefined && { controller: options.controller }),
    }),
    story,
    run: (ns) => sim.runFor(ns),
  };
};

export const testConfig = (name: string, mib = 16): DomainConfig => ({
  name,
  uuid: '00000000-0000-0000-0000-000000001234',
  maxVcpus: 1,
  availVcpus: [0],
  maxMem_kib: mib * 1024,
  targetMem_kib: mib * 1024,
  kernel: '/hand',
  cmdline: 'hand made',
  disks: [{ pdevPath: '/disk', vdev: 'xvda', format: 'raw', readwrite: true }],
  nics: [],
  onPoweroff: 'destroy',
  onReboot: 'restart',
  onWatchdog: 'destroy',
  onCrash: 'destroy',
  onSoftReset: 'destroy',
});

/** Acts for the guest's xenbus: acknowledges a request to suspend, and has the guest follow it. */
export const acknowledge = (host: TestHost, domid: number, obey: () => void): (() => void) => {
  const node = `/local/domain/${domid}/control/shutdown`;
  const guest = host.xenstored.connect(domid, () => {
    if (guest.tryRead(node) !== 'suspend') return;
    guest.write(node, '');
    obey();
  });
  guest.watch(node, 'w');
  return () => guest.close();
};

/** Bytes as a source that cannot pass over any. */
export const sourceOf = (bytes: Uint8Array): Source => {
  let at = 0;
  return {
    read: (into) => {
      const some = bytes.subarray(at, at + into.length);
      into.set(some);
      at += some.length;
      return some.length;
    },
  };
};
