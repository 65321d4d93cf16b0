/** Hosts for domains of Xen 2: their MFNs are below 2^20, and their controller notes what it is told. */

import { vcpu_guest_context, xen2_start_info } from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import { MemoryImage } from '@port-xen/migration-stream';
import { Sim } from '@port-xen/sim';
import { GuestFrames } from '../src/guest-frames.ts';
import type { SaveOptions } from '../src/index.ts';
import { makeHost, type TestHost, testConfig } from './host.ts';
import { NotedController, XEN2_ELF, Xen2Guest } from './xen2-guest.ts';

export const SECOND = 1e9;
export const CONFIG = { ...testConfig('old'), interface: 'xen-2.0' as const };
export const SLOT_FRAMES = 2 ** 17;

export const hostOf = (slot: number, guest: Xen2Guest) => {
  const controller = new NotedController();
  const options = { slotFrames: SLOT_FRAMES, controller, sim: new Sim(slot + 1) };
  return { controller, host: makeHost(slot, () => guest, options) };
};

/** A domain of xen-2.0 that runs, and whoever it runs on. */
export const running = (slot = 0) => {
  const guest = new Xen2Guest();
  const { host, controller } = hostOf(slot, guest);
  const before = host.hv.counts();
  const introduced = host.xenstored.counters();
  const domid = host.xl.create(testConfig('old'), XEN2_ELF);
  host.run(SECOND);
  const state: { outcome: Error | null | undefined; calls: number } = {
    outcome: undefined,
    calls: 0,
  };
  const save = (
    options: SaveOptions = {},
    sink: { write(c: readonly Uint8Array[]): void } = new MemoryImage(),
  ) => {
    state.outcome = undefined;
    host.xl.save(domid, sink, options, (error) => {
      state.outcome = error;
      state.calls++;
    });
    return sink;
  };
  /** The guest answers, and suspends when it looks next, ten seconds later at most. */
  const obey = (): void => {
    controller.answer(null);
    guest.wish = 'suspend';
    host.run(12 * SECOND);
  };
  return { host, guest, controller, domid, state, save, obey, before, introduced };
};

/** A save file, and the domain's engine for its next life. */
export const saved = () => {
  const all = running();
  const sink = all.save() as MemoryImage;
  all.obey();
  if (all.state.outcome !== null) throw new Error(`not saved: ${all.state.outcome?.message}`);
  return { ...all, image: sink.bytes };
};

export const startInfoOf = (host: TestHost, domid: number) => {
  const context = new BytesMemory(host.hv.domctl.getVcpuContext(domid, 0));
  const { rdx } = vcpu_guest_context.at(context, 0).user_regs;
  return xen2_start_info.at(new BytesMemory(new GuestFrames(host.hv, domid).copy(rdx)), 0);
};

export const pageOf = (host: TestHost, domid: number): Uint8Array =>
  new GuestFrames(host.hv, domid).copy(host.hv.domctl.getDomainInfo(domid).sharedInfoMfn);
