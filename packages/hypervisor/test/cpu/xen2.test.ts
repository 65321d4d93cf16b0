import {
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_memory_op,
  __HYPERVISOR_sched_op,
  __HYPERVISOR_set_trap_table,
  __HYPERVISOR_vcpu_op,
  EVTCHNOP_alloc_unbound,
  EVTCHNOP_bind_virq,
  EVTCHNOP_close,
  EVTCHNOP_unmask,
  FLAT_KERNEL_CS,
  SCHEDOP_poll,
  TRAP_page_fault,
  VCPUOP_register_vcpu_info,
  VCPUOP_register_vcpu_time_memory_area,
  XEN_EINVAL,
  XEN_ENOSPC,
  XEN_ENOSYS,
  XEN2_CR2_OFFSET,
  XENMEM_maximum_gpfn,
  xen2_shared_info,
} from '@port-xen/abi';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { XEN2_SLOT_FRAMES } from '../../src/hypervisor.ts';
import { XenError } from '../../src/xen-error.ts';
import { ARGS, DOMID_SELF, type Guest, HANDLER, Machine } from './machine.ts';

const { offset, size } = xen2_shared_info;
const YEAR_2026 = 1_767_225_600;

const machineOf = (options: ConstructorParameters<typeof Machine>[0] = {}) =>
  new Machine({ slot: 3, slotFrames: XEN2_SLOT_FRAMES, ...options });

const guestOf = (machine = machineOf()) => machine.guest({ interface: 'xen-2.0' });

const info = (g: Guest) => xen2_shared_info.at(g.xen.memory, g.domain.sharedInfo);

const allocate = (g: Guest): number => {
  const words = g.words(ARGS, DOMID_SELF, 0);
  const rc = g.call(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, words);
  return rc === 0 ? g.ld32(ARGS + 4) : rc;
};

const page = (g: Guest): Uint8Array => g.xen.memory.frameBytes(g.domain.sharedInfoMfn).slice();

describe('a domain of xen-2.0', () => {
  test('HV-XEN2-1: it has one vCPU, events masked, on a host whose MFNs are all below 2^20', () => {
    const machine = machineOf();
    const g = guestOf(machine);
    expect(g.xen.domctl.getDomainInfo(g.domid).interface).toBe('xen-2.0');
    expect(machine.guest().xen.domctl.getDomainInfo(2).interface).toBe('xen-3.0');
    expect([...page(g).subarray(0, 4)]).toEqual([0, 1, 0, 0]);
    const refusal = (on: Machine, vcpus: number): unknown => {
      try {
        on.guest({ interface: 'xen-2.0', vcpus });
      } catch (error) {
        return error instanceof XenError ? [error.errno, error.message] : error;
      }
      return 'none';
    };
    expect(refusal(machine, 2)).toEqual([XEN_EINVAL, 'expected 1 to 1 vcpus, found 2']);
    const frames = 2 ** 14;
    const last = { slot: 63, slotFrames: frames, frames };
    expect(refusal(new Machine(last), 1)).toBe('none');
    expect(refusal(new Machine({ ...last, slotFrames: frames + 64 }), 1)).toEqual([
      XEN_EINVAL,
      `expected a host whose MFNs are all below 2^20 for a domain of xen-2.0, found ${63 * (frames + 64)} to ${64 * frames + 63 * 64 - 1}`,
    ]);
  });

  test('HV-XEN2-2: 1023 ports, the last one too', () => {
    const g = guestOf();
    const ports = Array.from({ length: 1023 }, () => allocate(g));
    expect(ports).toEqual(Array.from({ length: 1023 }, (_, i) => i + 1));
    expect(allocate(g)).toBe(-XEN_ENOSPC);
    g.domain.raise(1023, 0);
    expect(info(g).evtchn_pending.get(31)).toBe(0x8000_0000);
    expect(info(g).evtchn_pending_sel).toBe(0x8000_0000);
    expect(g.vcpu.upcallPending).toBe(true);
  });

  test('HV-XEN2-3: any events, masks and unmasks leave what a two-level bitmap of 32-bit words has, and no other byte', () => {
    const act = fc.tuple(fc.constantFrom('raise', 'mask', 'unmask', 'close'), fc.nat({ max: 79 }));
    const g = guestOf();
    for (let i = 0; i < 80; i++) allocate(g);
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        const view = info(g);
        for (let word = 0; word < 32; word++) {
          view.evtchn_pending.set(word, 0);
          view.evtchn_mask.set(word, 0);
        }
        view.evtchn_pending_sel = 0;
        view.vcpu_data.at(0).evtchn_upcall_pending = 0;
        const pending = new Set<number>();
        const masked = new Set<number>();
        const selected = new Set<number>();
        for (const [what, n] of acts) {
          const port = n + 1;
          const told = () => selected.add(port >>> 5);
          if (what === 'raise') {
            g.domain.raise(port, 0);
            if (!pending.has(port) && !masked.has(port)) told();
            pending.add(port);
          } else if (what === 'mask') {
            const word = port >>> 5;
            view.evtchn_mask.set(word, view.evtchn_mask.get(word) | (1 << (port & 31)));
            masked.add(port);
          } else if (what === 'unmask') {
            g.call(__HYPERVISOR_event_channel_op, EVTCHNOP_unmask, g.words(ARGS, port));
            if (masked.delete(port) && pending.has(port)) told();
          } else {
            g.call(__HYPERVISOR_event_channel_op, EVTCHNOP_close, g.words(ARGS, port));
            pending.delete(port);
            expect(allocate(g)).toBe(port);
          }
        }
        const bits = (set: ReadonlySet<number>, count: number): number[] => {
          const words = new Uint32Array(count);
          for (const bit of set)
            words[bit >>> 5] = (words[bit >>> 5] as number) | (1 << (bit & 31));
          return [...words];
        };
        const found = (array: { get(i: number): number }): number[] =>
          Array.from({ length: 32 }, (_, i) => array.get(i));
        expect(found(view.evtchn_pending)).toEqual(bits(pending, 32));
        expect(found(view.evtchn_mask)).toEqual(bits(masked, 32));
        expect([view.evtchn_pending_sel]).toEqual(bits(selected, 1));
        expect(g.vcpu.upcallPending).toBe(selected.size > 0);
      }),
      { numRuns: 100 },
    );
    expect(
      page(g)
        .subarray(XEN2_CR2_OFFSET)
        .every((byte) => byte === 0),
    ).toBe(true);
  });

  test('HV-XEN2-3: poll sees a port that is pending and masked', () => {
    const g = guestOf();
    const port = allocate(g);
    info(g).evtchn_mask.set(0, 1 << port);
    g.domain.raise(port, 0);
    g.words(ARGS + 64, port);
    g.longs(ARGS, ARGS + 64, 1, 0);
    expect(g.call(__HYPERVISOR_sched_op, SCHEDOP_poll, ARGS)).toBe(0);
    expect(g.vcpu.blocked).toBe(false);
    expect(g.vcpu.upcallPending).toBe(false);
  });

  test('HV-XEN2-4: what it computes from the frequency is system time; the wall clock is of the same moment', () => {
    for (const tscKhz of [33_333, 2_400_000]) {
      const machine = machineOf({ tscKhz, uptime_ns: 3600e9 + 5 });
      const g = guestOf(machine);
      for (const ns of [1, 999_999_999, 5e9 + 7]) {
        machine.runFor(ns);
        const view = info(g);
        const tsc = { low: 0, high: 0 };
        g.vcpu.readTsc(tsc);
        const now = (BigInt(tsc.high) << 32n) | BigInt(tsc.low >>> 0);
        const since = ((now - BigInt(view.tsc_timestamp)) * 1_000_000_000n) / BigInt(view.cpu_freq);
        const late = machine.uptime_ns - (view.system_time + Number(since));
        expect(view.cpu_freq).toBe(tscKhz * 1000);
        expect(late).toBeGreaterThanOrEqual(0);
        expect(late).toBeLessThanOrEqual(Math.ceil(1e6 / tscKhz) + 1);
        expect(view.time_version1).toBe(view.time_version2);
        // The host's clock says so when it has been up for as long as the world is old, and an hour.
        const wall_us = view.wc_sec * 1e6 + view.wc_usec;
        const expected_us = YEAR_2026 * 1e6 + Math.floor((view.system_time - 3600e9 - 5) / 1000);
        expect(Math.abs(wall_us - expected_us)).toBeLessThanOrEqual(1);
      }
    }
  });

  test('HV-XEN2-4: each time has a version of its own, seen before and after it', () => {
    const machine = machineOf();
    const g = guestOf(machine);
    const versions = new Set<number>();
    for (let second = 0; second < 5; second++) {
      machine.runFor(1e9);
      versions.add(info(g).time_version1);
    }
    expect(versions.size).toBe(5);
    const seen: number[][] = [];
    const { memory } = g.xen;
    const st32 = memory.st32.bind(memory);
    memory.st32 = (at, value) => {
      st32(at, value);
      if (at >= g.domain.sharedInfo && at < g.domain.sharedInfo + size) {
        seen.push([at - g.domain.sharedInfo, info(g).time_version1 - info(g).time_version2]);
      }
    };
    g.xen.writeWallclock(g.domain);
    expect(seen[0]).toEqual([offset.time_version1, 1]);
    expect(seen.at(-1)).toEqual([offset.time_version2, 0]);
    expect(seen.slice(1, -1).every(([, open]) => open === 1)).toBe(true);
    expect(new Set(seen.map(([at]) => at)).size).toBe(10);
  });

  test('HV-XEN2-5: settime and the domain’s own offset are seen at once', () => {
    const machine = machineOf();
    const g = guestOf(machine);
    machine.runFor(2e9);
    machine.xen.setWallclock(1e18);
    expect(Math.abs(info(g).wc_sec - 1e9)).toBeLessThanOrEqual(1);
    machine.xen.domctl.setTimeOffset(g.domid, -3600);
    expect(Math.abs(info(g).wc_sec - 1e9 + 3600)).toBeLessThanOrEqual(1);
    machine.runFor(2e9);
    expect(Math.abs(info(g).wc_sec - 1e9 + 3600 - 2)).toBeLessThanOrEqual(1);
  });

  test('HV-XEN2-5: an emulated counter has its own frequency', () => {
    const machine = machineOf();
    const g = guestOf(machine);
    g.xen.domctl.setTscInfo(g.domid, { mode: 0, khz: 1_000_000, nsec: 0n, incarnation: 1 });
    machine.runFor(2e9);
    expect(info(g).cpu_freq).toBe(1e9);
  });

  test('HV-XEN2-6: the address of a page fault is after the struct, and no event is lost for it', () => {
    const g = guestOf();
    const word = (TRAP_page_fault | (FLAT_KERNEL_CS << 16)) >>> 0;
    g.words(ARGS, word, 0, HANDLER, -1, 0, 0, 0, 0);
    expect(g.call(__HYPERVISOR_set_trap_table, ARGS)).toBe(0);
    const before = page(g).subarray(0, size);
    g.vcpu.exception(TRAP_page_fault, 6, -0x1234_5678);
    expect(page(g).subarray(0, size)).toEqual(before);
    const { memory } = g.xen;
    const at = g.domain.sharedInfo + XEN2_CR2_OFFSET;
    expect([memory.ld32(at), memory.ld32(at + 4)]).toEqual([-0x1234_5678, -1]);
  });

  test('HV-XEN2-7: what is laid out as Xen 3’s vcpu_info is not offered, and has no last pfn', () => {
    const g = guestOf();
    const before = page(g);
    for (const op of [VCPUOP_register_vcpu_info, VCPUOP_register_vcpu_time_memory_area]) {
      g.longs(ARGS, g.mfn(12), 0);
      expect(g.call(__HYPERVISOR_vcpu_op, op, 0, ARGS)).toBe(-XEN_ENOSYS);
    }
    expect(page(g)).toEqual(before);
    g.words(ARGS, DOMID_SELF);
    expect(g.call(__HYPERVISOR_memory_op, XENMEM_maximum_gpfn, ARGS)).toBe(0);
    expect(g.call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, g.words(ARGS, 0, 0, 0))).toBe(
      0,
    );
  });
});
