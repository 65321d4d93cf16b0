/*
 * The smallest kernel that has a pmap: it takes over the builder's tables, gives out pages from a stack of its own, and then does
 * what a test's steps say, one macro-instruction each. The step `suspend` waits for the toolstack and suspends the domain.
 *
 *     start ─► probe: step 0, step 1, … ─► blocked for ever
 */
import {
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_sched_op,
  DOMID_SELF,
  EVTCHNOP_alloc_unbound,
  evtchn_alloc_unbound,
  SCHEDOP_poll,
  SCHEDOP_shutdown,
  SHUTDOWN_suspend,
  sched_poll,
  sched_shutdown,
  shared_info,
  start_info,
} from '@port-xen/abi';
import {
  type Cpu,
  call,
  done,
  elfFile,
  goto,
  hypercall,
  KERNBASE,
  type Kern,
  KernelImage,
  type KernelSpec,
  kernLinked,
  kernModules,
  type Linked,
  leaf,
  linkKern,
  type Next,
  PAGE_SIZE,
  raw,
  routine,
  TextEngine,
} from '@port-xen/kern';
import { array, bytes, i64, ldI64, nest, st64, struct, u32, type View } from '@port-xen/layout';
import { RIP, RSI } from '@port-xen/vcpu';
import type { TestHost } from '@tooling/testbed';
import { P2mFrameList, Pmap, p2m_frame_list_data, pmap_data, pmapText } from '../src/index.ts';

const MAX_FREE = 4096;
const STACK_PAGES = 2;

const window_page = struct('window_page', { page: bytes(PAGE_SIZE) });
const probe_data = struct('probe_data', {
  start_info: i64,
  suspend_port: u32,
  nfree: u32,
  free: array(u32, MAX_FREE),
  next_va: i64,
});
const probing = struct('probe_locals', { step: u32, poll: nest(sched_poll), port: u32 });
const suspending = struct('suspend_locals', { shutdown: nest(sched_shutdown) });

/** The kernel as a step sees it. */
export class Probe {
  readonly cpu: Cpu;
  readonly data: number;
  readonly kern: Kern;
  readonly pmap: Pmap;
  readonly p2m: P2mFrameList;
  readonly scenario: Scenario;

  constructor(
    cpu: Cpu,
    data: number,
    kern: Kern,
    pmap: Pmap,
    p2m: P2mFrameList,
    scenario: Scenario,
  ) {
    this.cpu = cpu;
    this.data = data;
    this.kern = kern;
    this.pmap = pmap;
    this.p2m = p2m;
    this.scenario = scenario;
  }

  get d(): View<typeof probe_data> {
    return probe_data.at(this.cpu.memory, this.data);
  }

  get startInfo(): View<typeof start_info> {
    return start_info.at(this.cpu.memory, this.d.start_info);
  }

  /** A page that nothing maps. */
  page(): number {
    const d = this.d;
    if (d.nfree === 0) throw new Error('the probe is out of pages');
    d.nfree--;
    return d.free.get(d.nfree);
  }

  free(pfn: number): void {
    const d = this.d;
    d.free.set(d.nfree, pfn);
    d.nfree++;
  }

  /** Zeroed kernel pages in a row. */
  kmAlloc(pages: number): number {
    const d = this.d;
    const va = d.next_va;
    d.next_va += pages * PAGE_SIZE;
    for (let i = 0; i < pages; i++) {
      const pa = this.page() * PAGE_SIZE;
      this.pmap.clearPage(pa);
      this.pmap.kenterPa(va + i * PAGE_SIZE, pa, true);
    }
    return va;
  }

  mapSharedInfo(): void {
    const mfn = this.startInfo.shared_info / PAGE_SIZE;
    this.pmap.kreplaceMa(this.kern.spl.sharedInfo, mfn, true);
    const masks = this.kern.spl.sharedInfo + shared_info.offset.evtchn_mask;
    this.cpu.memory.write(masks, new Uint8Array(512).fill(0xff));
    const op = this.kern.args.at(evtchn_alloc_unbound);
    op.dom = DOMID_SELF;
    this.cpu.hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, op.address);
    this.d.suspend_port = op.port;
    this.scenario.port(op.port);
  }
}

/** One macro-instruction of a test; `suspend` waits until the toolstack asks for it. */
export type ProbeStep = ((p: Probe) => void) | 'suspend';

interface Scenario {
  readonly steps: readonly ProbeStep[];
  /** Told the port over which the toolstack asks. */
  port(port: number): void;
}

const start = (p: Probe): void => {
  const { cpu } = p;
  const d = p.d;
  const si = start_info.at(cpu.memory, cpu.registers.get(RSI));
  d.start_info = si.address;
  d.next_va = -0x6000_0000_0000;
  const ptBase = ldI64(si.memory, si.address + start_info.offset.pt_base);
  const mfnList = ldI64(si.memory, si.address + start_info.offset.mfn_list);
  p.pmap.bootstrap({ nrPages: si.nr_pages, ptBase, mfnList }, cpu.image.data.window as number);
  const tables = ptBase - KERNBASE;
  const first = tables / PAGE_SIZE + si.nr_pt_frames + STACK_PAGES;
  const last = Math.min(si.nr_pages, first + MAX_FREE);
  for (let pfn = last - 1; pfn >= first; pfn--) {
    const va = KERNBASE + pfn * PAGE_SIZE;
    if (p.pmap.isMapped(va)) p.pmap.kremove(va);
    p.free(pfn);
  }
  p.mapSharedInfo();
  p.p2m.build(p);
  cpu.registers.set(RIP, cpu.sym('probe'));
};

/** Waits for an event of a port, 0 for none that ever comes. */
const poll = (p: Probe, l: View<typeof probing>, port: number, then: string): Next => {
  l.port = port;
  const op = l.poll;
  st64(p.cpu.memory, op.address, l.address + probing.offset.port);
  op.nr_ports = port === 0 ? 0 : 1;
  op.timeout = 0;
  return hypercall(then, __HYPERVISOR_sched_op, SCHEDOP_poll, op.address);
};

const probeText = {
  start: raw(start, 1000),
  uvm_pagealloc: leaf((p: Probe) => p.page()),
  uvm_pagefree: leaf((p: Probe, pfn) => p.free(pfn)),
  probe: routine(probing, {
    next: (p: Probe, l) => {
      const step = p.scenario.steps[l.step];
      if (step === undefined) return poll(p, l, 0, 'next');
      if (step === 'suspend') return poll(p, l, p.d.suspend_port, 'asked');
      l.step++;
      step(p);
      return goto('next');
    },
    asked: (p: Probe, l) => {
      l.step++;
      return call('next', p.cpu.sym('suspend'));
    },
  }),
  suspend: routine(suspending, {
    down: (p: Probe, l) => {
      const mfn = p.pmap.extractMfn(0, p.d.start_info);
      const si = p.startInfo;
      si.store_mfn = p.pmap.paOf(si.store_mfn) / PAGE_SIZE;
      si.console.domU.mfn = p.pmap.paOf(si.console.domU.mfn) / PAGE_SIZE;
      p.pmap.unmapRecursive();
      p.pmap.kremove(p.kern.spl.sharedInfo);
      l.shutdown.reason = SHUTDOWN_suspend;
      const { address } = l.shutdown;
      return hypercall('up', __HYPERVISOR_sched_op, SCHEDOP_shutdown, address, mfn);
    },
    up: (p: Probe) => {
      p.pmap.mapRecursive();
      p.mapSharedInfo();
      p.p2m.update();
      return done();
    },
  }),
};

/** A kernel that does `steps`; it is to be run on one host after the other. */
export const probeKernel = (steps: readonly ProbeStep[], amnesia: boolean) => {
  let port = 0;
  let done = 0;
  const scenario: Scenario = {
    steps: [...steps, () => void done++],
    port: (given) => {
      port = given;
    },
  };
  const link = (cpu: Cpu, data: Readonly<Record<string, number>>): Linked => {
    const kern = linkKern(cpu, data);
    const pmap = new Pmap(cpu, data.pmap as number, kern);
    const p2m = new P2mFrameList(cpu, data.p2mFrameList as number, pmap, kern.spl.sharedInfo);
    const probe = new Probe(cpu, data.probe as number, kern, pmap, p2m, scenario);
    return { ...kernLinked(kern), pmap, p2mFrameList: p2m, probe };
  };
  const spec: KernelSpec = {
    name: 'probe',
    version: '0',
    entry: 'start',
    programs: [],
    modules: {
      ...kernModules,
      window: { data: window_page, align: PAGE_SIZE },
      pmap: { data: pmap_data, text: pmapText },
      p2mFrameList: { data: p2m_frame_list_data },
      probe: { data: probe_data, text: probeText },
    },
    link,
  };
  const image = new KernelImage(spec, new Uint8Array(20).fill(1));
  const engine = new TextEngine(image, { amnesia });
  const tellPort = (host: TestHost, domid: number): void => {
    const node = `/local/domain/${domid}/device/suspend/event-channel`;
    host.store.write(node, String(port));
  };
  return {
    image,
    engine,
    boot: (host: TestHost, memoryMib = 8): number =>
      host.bootKernel({ elf: elfFile(image), engine, memoryMib }),
    /** Runs until every step was done. */
    finish: (host: TestHost): void => host.runUntil('the steps to be done', () => done > 0),
    /** Saves the domain once it waits at its `suspend`. */
    save: (host: TestHost, domid: number): Uint8Array => {
      host.runFor(10e6);
      tellPort(host, domid);
      return host.saveToBytes(domid);
    },
    restore: (host: TestHost, image: Uint8Array): number => host.restoreFromBytes(image, engine),
  };
};
