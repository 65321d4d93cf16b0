/*
 * What a guest pays Xen: memory accesses through the software MMU beside raw array accesses, and hypercalls. Each measurement and
 * the raw loads it is compared with run in turn, seven times; the median of each is taken, in processor time. Run by plain node: a
 * test runner's transformed imports would be measured with it.
 */
import assert from 'node:assert/strict';
import {
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_grant_table_op,
  __HYPERVISOR_mmu_update,
  __HYPERVISOR_update_va_mapping,
  __HYPERVISOR_xen_version,
  EVTCHNOP_bind_ipi,
  EVTCHNOP_send,
  GNTCOPY_source_gref,
  GNTMAP_host_map,
  GNTTABOP_copy,
  GNTTABOP_map_grant_ref,
  GNTTABOP_unmap_grant_ref,
  GTF_permit_access,
  UVMF_INVLPG,
  vcpu_runstate_info,
} from '@port-xen/abi';
import { ARGS, DOMID_SELF, entryAddress, Machine, va } from '../test/cpu/machine.ts';

const PAIRS = 7;
const RAW = 4_000_000;

/** Processor time, ns for each of `count`. */
const timed = (count: number, run: (count: number) => void): number => {
  const start = process.cpuUsage();
  run(count);
  const { user, system } = process.cpuUsage(start);
  return ((user + system) * 1000) / count;
};

const median = (values: number[]): number =>
  values.sort((a, b) => a - b)[(values.length - 1) / 2] as number;

const words = new Int32Array(1 << 14);
let sum = 0;

const raw = (count: number): void => {
  for (let i = 0; i < count; i++) sum = (sum + (words[(i * 7) & 0x3fff] as number)) | 0;
};

/**
 * @param most raw loads that one may cost
 */
const measure = (name: string, count: number, most: number, run: (count: number) => void): void => {
  run(Math.ceil(count / 4));
  raw(RAW);
  const [here, there]: [number[], number[]] = [[], []];
  for (let pair = 0; pair < PAIRS; pair++) {
    here.push(timed(count, run));
    there.push(timed(RAW, raw));
  }
  const [ns, load_ns] = [median(here), median(there)];
  const ratio = ns / load_ns;
  console.log(
    `${name.padEnd(34)} ${ns.toFixed(1).padStart(9)} ns ${ratio.toFixed(1).padStart(8)} raw loads of ${load_ns.toFixed(2)} ns`,
  );
  assert(ratio <= most, `${name}: expected at most ${most} raw loads, found ${ratio.toFixed(1)}`);
};

const machine = new Machine();
const guest = machine.guest();
const peer = machine.guest();
const { mmu } = guest.vcpu;
const data = va(16);

measure('load 32 bits, TLB hit', 2_000_000, 8, (count) => {
  for (let i = 0; i < count; i++) sum = (sum + mmu.ld32(data + ((i * 28) & 0xfffc))) | 0;
});
measure('store 32 bits, TLB hit', 2_000_000, 8, (count) => {
  for (let i = 0; i < count; i++) mmu.st32(data + ((i * 28) & 0xfffc), i);
});
measure('load 8 bits, TLB hit', 2_000_000, 8, (count) => {
  for (let i = 0; i < count; i++) sum = (sum + mmu.ld8(data + ((i * 7) & 0xffff))) | 0;
});
const view = vcpu_runstate_info.at(mmu, data);
measure('struct field, u32', 2_000_000, 5, (count) => {
  // Two accesses.
  for (let i = 0; i < count; i += 2) view.state = view.state + 1;
});
measure('page walk', 200_000, 200, (count) => {
  for (let i = 0; i < count; i++) {
    mmu.invalidate(data);
    sum = (sum + mmu.ld32(data)) | 0;
  }
});

measure('hypercall round trip', 300_000, 200, (count) => {
  for (let i = 0; i < count; i++) guest.call(__HYPERVISOR_xen_version, 0);
});
guest.call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, guest.words(ARGS, 0, 0));
guest.words(va(12), guest.ld32(ARGS + 4));
measure('event_channel_op send', 200_000, 400, (count) => {
  for (let i = 0; i < count; i++) {
    guest.call(__HYPERVISOR_event_channel_op, EVTCHNOP_send, va(12));
  }
});
measure('update_va_mapping', 200_000, 500, (count) => {
  for (let i = 0; i < count; i++) {
    const frame = guest.mfn(20 + (i & 1)) * 4096 + 3;
    guest.call(__HYPERVISOR_update_va_mapping, va(20), frame, UVMF_INVLPG);
  }
});
const requests = Array.from({ length: 64 }, (_, i) => {
  const [low, high] = entryAddress(guest.mfn(3), 20);
  return [low, high, (guest.mfn(20 + (i & 1)) << 12) | 3, guest.mfn(20) >>> 20];
});
guest.words(va(13), ...requests.flat());
measure('mmu_update, each of 64', 400_000, 500, (count) => {
  for (let i = 0; i < count; i += 64) {
    guest.call(__HYPERVISOR_mmu_update, va(13), 64, 0, DOMID_SELF);
  }
});

const entry = guest.domain.grants.addressOf(8);
machine.xen.memory.st32(entry + 4, guest.mfn(30));
machine.xen.memory.st32(entry, GTF_permit_access | (peer.domid << 16));
measure('grant map and unmap', 100_000, 10_000, (count) => {
  for (let i = 0; i < count; i++) {
    peer.longs(ARGS, va(40), 0, 0, 0);
    peer.words(ARGS + 8, GNTMAP_host_map, 8, guest.domid, 0);
    peer.call(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, ARGS, 1);
    peer.longs(ARGS, va(40), 0, peer.ld32(ARGS + 20));
    peer.call(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, ARGS, 1);
  }
});
peer.longs(ARGS, 8, guest.domid, peer.mfn(41), DOMID_SELF, 4096 + GNTCOPY_source_gref * 65536);
measure('grant copy of 4 KiB', 100_000, 4000, (count) => {
  for (let i = 0; i < count; i++) {
    peer.call(__HYPERVISOR_grant_table_op, GNTTABOP_copy, ARGS, 1);
  }
});
const [from, to] = [
  machine.xen.memory.frameBytes(guest.mfn(30)),
  machine.xen.memory.frameBytes(peer.mfn(41)),
];
measure('a plain copy of 4 KiB', 100_000, 500, (count) => {
  for (let i = 0; i < count; i++) to.set(from);
});
assert(Number.isInteger(sum));
assert.deepEqual(machine.xen.accounting(), []);
