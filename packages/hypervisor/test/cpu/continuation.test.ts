import {
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_grant_table_op,
  __HYPERVISOR_iret,
  __HYPERVISOR_memory_op,
  __HYPERVISOR_mmu_update,
  __HYPERVISOR_mmuext_op,
  __HYPERVISOR_multicall,
  __HYPERVISOR_set_trap_table,
  __HYPERVISOR_vm_assist,
  __HYPERVISOR_xen_version,
  EVTCHNOP_bind_ipi,
  EVTCHNOP_send,
  GNTST_bad_page,
  GNTTABOP_transfer,
  MMUEXT_TLB_FLUSH_LOCAL,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
  XENMEM_decrease_reservation,
  XENMEM_exchange,
  XENMEM_populate_physmap,
} from '@port-xen/abi';
import { RAX, RDI, RDX, RIP, RSI, RSP } from '@port-xen/vcpu';
import { describe, expect, test } from 'vitest';
import {
  ARGS,
  DOMID_SELF,
  entryAddress,
  type Guest,
  HANDLER,
  Machine,
  NOWHERE,
  STACK,
  TEXT,
  va,
} from './machine.ts';

const MANY = 10_000;

/** A guest with room for long lists from pfn 64 on. */
const roomy = () => new Machine({ frames: 8192 }).guest({ pages: 400 });
const LIST = va(64);

/** Writes `count` structs of `size` bytes at LIST. */
const list = (
  g: Guest,
  count: number,
  size: number,
  fill: (words: Int32Array, i: number) => void,
): number => {
  const all = new Int32Array((count * size) / 4);
  for (let i = 0; i < count; i++) fill(all.subarray((i * size) / 4, ((i + 1) * size) / 4), i);
  g.vcpu.mmu.writeForXen(LIST, new Uint8Array(all.buffer));
  return LIST;
};

const multicall = (g: Guest, calls: readonly (readonly number[])[]): number => {
  calls.forEach(([op, ...args], i) => {
    g.longs(ARGS + 64 * i, op as number, 0, ...Array.from({ length: 6 }, (_, k) => args[k] ?? 0));
  });
  return g.call(__HYPERVISOR_multicall, ARGS, calls.length);
};

const results = (g: Guest, count: number): number[] =>
  Array.from({ length: count }, (_, i) => g.ld64(ARGS + 64 * i + 8));

describe('continuations', () => {
  test('HV-HC-50: mmu_update does 4,096 at a time, then asks for the rest, and counts on', () => {
    const g = roomy();
    const [low, high] = entryAddress(g.mfn(30), 0);
    list(g, MANY, 16, (words, i) => words.set([low + 8 * (i & 255), high, i, 0]));
    g.words(va(12), 0);
    g.call(__HYPERVISOR_mmu_update, LIST, MANY, va(12), DOMID_SELF);
    const { registers: r } = g.vcpu;
    expect(r.get(RIP)).toBe(TEXT);
    expect(r.get(RAX)).toBe(__HYPERVISOR_mmu_update);
    expect(r.get(RDI)).toBe(LIST + 4096 * 16);
    expect(r.get(RSI)).toBe(0x8000_0000 + MANY - 4096);
    expect(r.get(RDX)).toBe(va(12));
    expect(g.ld32(va(12))).toBe(4096);
    const { result, times } = g.callWhole(__HYPERVISOR_mmu_update, LIST, MANY, va(12), DOMID_SELF);
    expect([result, times, g.ld32(va(12))]).toEqual([0, 3, MANY]);
    expect(g.ld32(va(30) + 8 * 15)).toBe(MANY - 1);
  });

  test('HV-HC-51: mmuext_op, grant_table_op, set_trap_table, memory_op likewise', () => {
    const g = roomy();
    list(g, MANY, 24, (words) => words.set([MMUEXT_TLB_FLUSH_LOCAL, 0, 0, 0, 0, 0]));
    g.words(va(12), 0);
    const flushed = g.callWhole(__HYPERVISOR_mmuext_op, LIST, MANY, va(12), DOMID_SELF);
    expect([flushed, g.ld32(va(12))]).toEqual([{ result: 0, times: 3 }, MANY]);

    list(g, MANY, 24, (words) => words.set([0, 0, g.domid, 0, 1, 0]));
    const granted = g.callWhole(__HYPERVISOR_grant_table_op, GNTTABOP_transfer, LIST, MANY);
    expect(granted).toEqual({ result: 0, times: 3 });
    expect((g.ld32(LIST + 24 * (MANY - 1) + 16) << 16) >> 16).toBe(GNTST_bad_page);

    list(g, MANY, 16, (words, i) => words.set([i & 31, 0, i + 1 === MANY ? 0 : i + 1, 0]));
    expect(g.callWhole(__HYPERVISOR_set_trap_table, LIST)).toEqual({ result: 0, times: 3 });
    expect(g.vcpu.traps[30]?.address).toBe(9983);

    list(g, 5000, 8, (words, i) => words.set([5000 + i, 0]));
    g.longs(ARGS, LIST, 5000, 0, DOMID_SELF);
    g.domain.maxPages = 6000;
    g.call(__HYPERVISOR_memory_op, XENMEM_populate_physmap, ARGS);
    expect(g.vcpu.registers.get(RDI)).toBe(XENMEM_populate_physmap + 4096 * 64);
    const populated = g.callWhole(
      __HYPERVISOR_memory_op,
      XENMEM_populate_physmap + 4096 * 64,
      ARGS,
    );
    expect(populated).toEqual({ result: 5000, times: 1 });
    expect(g.domain.totPages).toBe(5400);
    expect(g.callWhole(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, ARGS)).toEqual({
      result: 5000,
      times: 2,
    });
    expect(g.domain.totPages).toBe(400);
    expect(g.xen.accounting()).toEqual([]);
  });

  test('HV-HC-52: memory exchange goes on where it was', () => {
    const g = roomy();
    g.domain.maxPages = 6000;
    list(g, 5000, 8, (words, i) => words.set([5000 + i, 0]));
    g.longs(ARGS, LIST, 5000, 0, DOMID_SELF);
    expect(g.callWhole(__HYPERVISOR_memory_op, XENMEM_populate_physmap, ARGS).result).toBe(5000);
    const out = LIST + 40_000;
    g.vcpu.mmu.writeForXen(
      out,
      new Uint8Array(
        Int32Array.from({ length: 10_000 }, (_, i) => (i & 1 ? 0 : 5000 + i / 2)).buffer,
      ),
    );
    g.longs(ARGS, LIST, 5000, 0, DOMID_SELF, out, 5000, 0, DOMID_SELF, 0);
    const { result, times } = g.callWhole(__HYPERVISOR_memory_op, XENMEM_exchange, ARGS);
    expect([result, times, g.ld64(ARGS + 64)]).toEqual([0, 2, 5000]);
    expect(g.xen.accounting()).toEqual([]);
  });

  test('HV-HC-53: an event that waits to be delivered is let in after every entry', () => {
    const g = roomy();
    g.vcpu.eventCallback = HANDLER;
    g.call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, g.words(ARGS, 0, 0));
    g.words(va(12), g.ld32(ARGS + 4));
    g.vcpu.upcallMask = 0;
    const send = [__HYPERVISOR_event_channel_op, EVTCHNOP_send, va(12)];
    multicall(g, [send, [__HYPERVISOR_xen_version, 0]]);
    const { registers: r } = g.vcpu;
    expect([r.get(RAX), r.get(RIP), r.get(RSI)]).toEqual([__HYPERVISOR_multicall, TEXT, 1]);
    expect(g.vcpu.stop).toBe(true);
    g.xen.enter(g.vcpu);
    expect(r.get(RIP)).toBe(HANDLER);
    // The frame leads back to the SYSCALL, with what is left in the registers.
    expect(g.frame(3)[2]).toBe(TEXT);
    expect(r.get(RDI)).toBe(ARGS + 64);
  });
});

describe('multicall', () => {
  test('HV-HC-60: results are stored one by one, and a failure does not stop the batch', () => {
    const g = roomy();
    const rc = multicall(g, [
      [__HYPERVISOR_xen_version, 0],
      [4711],
      [__HYPERVISOR_vm_assist, 0, 99],
      [__HYPERVISOR_vm_assist, 0, 2],
    ]);
    expect(rc).toBe(0);
    expect(results(g, 4)).toEqual([(4 << 16) | 17, -XEN_ENOSYS, -XEN_EINVAL, 0]);
    expect(g.ld64(ARGS)).toBe(__HYPERVISOR_xen_version);
    expect(g.call(__HYPERVISOR_multicall, ARGS, 0)).toBe(0);
  });

  test('HV-HC-61: one within another is -EINVAL, a 64-bit number is none', () => {
    const g = roomy();
    multicall(g, [[__HYPERVISOR_multicall, ARGS, 1], [2 ** 32]]);
    expect(results(g, 2)).toEqual([-XEN_EINVAL, -XEN_ENOSYS]);
  });

  test('HV-HC-62: a list that is not there is -EFAULT', () => {
    const g = roomy();
    expect(g.call(__HYPERVISOR_multicall, NOWHERE + 2 ** 21, 1)).toBe(-XEN_EFAULT);
    expect(g.callWhole(__HYPERVISOR_multicall, va(390), 2 ** 32 - 1).result).toBe(-XEN_EFAULT);
    expect(g.call(__HYPERVISOR_multicall, 2 ** 50, 1)).toBe(-XEN_EFAULT);
  });

  test('HV-HC-63: iret ends the batch, and rax is the frame’s', () => {
    const g = roomy();
    g.longs(va(9), 4711, 0, 0, 0, HANDLER, 0xe030, 0x202, STACK, 0xe02b);
    g.vcpu.registers.set(RSP, va(9));
    multicall(g, [[__HYPERVISOR_iret], [__HYPERVISOR_vm_assist, 0, 2]]);
    const { registers: r } = g.vcpu;
    expect([r.get(RAX), r.get(RIP), r.get(RSP)]).toEqual([4711, HANDLER, STACK]);
    expect(results(g, 2)).toEqual([4711, 0]);
    expect(g.domain.vmAssist).toBe(0);
  });

  test('HV-HC-64: an entry that is long is rewritten to what is left, and the multicall goes on from it', () => {
    const g = roomy();
    const [low, high] = entryAddress(g.mfn(30), 0);
    list(g, MANY, 16, (words, i) => words.set([low, high, i, 0]));
    g.words(va(12), 0);
    multicall(g, [
      [__HYPERVISOR_xen_version, 0],
      [__HYPERVISOR_mmu_update, LIST, MANY, va(12), DOMID_SELF],
      [__HYPERVISOR_vm_assist, 0, 2],
    ]);
    const { registers: r } = g.vcpu;
    expect([r.get(RAX), r.get(RIP)]).toEqual([__HYPERVISOR_multicall, TEXT]);
    expect([r.get(RDI), r.get(RSI)]).toEqual([ARGS + 64, 2]);
    const done = g.ld32(va(12));
    expect(done).toBeGreaterThan(4000);
    expect(g.ld64(ARGS + 64 + 16)).toBe(LIST + done * 16);
    expect(g.ld64(ARGS + 64 + 24)).toBe(0x8000_0000 + MANY - done);
    let times = 1;
    while (r.get(RIP) === TEXT) {
      r.set(RIP, TEXT + 2);
      g.vcpu.syscall();
      times++;
    }
    expect([r.get(RAX), times, g.ld32(va(12))]).toEqual([0, 3, MANY]);
    expect(results(g, 3)).toEqual([(4 << 16) | 17, 0, 0]);
    expect(g.domain.vmAssist).toBe(4);
  });

  test('HV-HC-65: a long batch of short calls is continued too', () => {
    const g = roomy();
    list(g, 5000, 64, (words) => words.set([__HYPERVISOR_xen_version]));
    expect(g.callWhole(__HYPERVISOR_multicall, LIST, 5000)).toEqual({ result: 0, times: 2 });
    expect(g.ld32(LIST + 64 * 4999 + 8)).toBe((4 << 16) | 17);
  });
});
