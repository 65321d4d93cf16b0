import {
  __HYPERVISOR_set_gdt,
  __HYPERVISOR_update_va_mapping,
  UVMF_INVLPG,
  VGCF_i387_valid,
  VGCF_in_kernel,
  VGCF_online,
  vcpu_guest_context,
  XEN_EEXIST,
  XEN_EINVAL,
  XEN_ENODATA,
  XEN_ENOMEM,
  XEN_EOPNOTSUPP,
  XEN_ESRCH,
} from '@port-xen/abi';
import { BytesMemory, ldU64 } from '@port-xen/layout';
import { Sim } from '@port-xen/sim';
import { R11, RDX, RFLAGS, RIP } from '@port-xen/vcpu';
import { describe, expect, test } from 'vitest';
import { Hypervisor } from '../../src/hypervisor.ts';
import { XenError } from '../../src/xen-error.ts';
import { ARGS, type Guest, HANDLER, idle, Machine, STACK, TEXT, va } from './machine.ts';

const o = vcpu_guest_context.offset;

/** The errno of a refusal. */
const errno = (ask: () => void): number => {
  try {
    ask();
  } catch (error) {
    if (error instanceof XenError) return error.errno;
    throw error;
  }
  return 0;
};

const contextOf = (g: Guest): BytesMemory =>
  new BytesMemory(g.xen.domctl.getVcpuContext(g.domid, 0));

/** A GDT of one page, at pfn 20. */
const giveGdt = (g: Guest): void => {
  g.call(__HYPERVISOR_update_va_mapping, va(20), g.mfn(20) * 4096 + 1, UVMF_INVLPG);
  expect(g.call(__HYPERVISOR_set_gdt, g.longs(ARGS, g.mfn(20)), 500)).toBe(0);
};

describe('contexts', () => {
  test('HV-CTX-1: what is set is what is got', () => {
    const g = new Machine().guest({ paused: true });
    g.xen.domctl.setVcpuContext(g.domid, 0, null);
    const given = g.context((m) => {
      for (let i = 0; i < 15; i++) m.st32(o.user_regs + 8 * i, 1000 + i);
      m.st32(o.user_regs + 144, 0x3202 | 0x400);
      m.st16(o.user_regs + 176, 3);
      m.st8(o.trap_ctxt + 16 * 14, 14);
      m.st8(o.trap_ctxt + 16 * 14 + 1, 4);
      m.st16(o.trap_ctxt + 16 * 14 + 2, 0xe033);
      m.st32(o.trap_ctxt + 16 * 14 + 8, HANDLER);
      m.st32(o.trap_ctxt + 16 * 14 + 12, -1);
      m.st32(o.event_callback_eip, HANDLER);
      m.st32(o.event_callback_eip + 4, -1);
      m.st32(o.flags, VGCF_in_kernel | VGCF_online | VGCF_i387_valid | 8 | 16);
      m.st32(o.fs_base, 4096);
      m.st32(o.ctrlreg + 16, 0x1234);
      m.st32(o.vm_assist, 4);
      m.st8(o.user_regs + 140, g.vcpu.upcallMask);
      m.st32(o.fpu_ctxt, 0x37f);
      m.st32(o.ctrlreg + 32, 0x2660);
      m.st32(o.debugreg, HANDLER);
      m.st32(o.debugreg + 4, -1);
    });
    g.xen.domctl.setVcpuContext(g.domid, 0, given);
    expect(g.vcpu.registers.get(R11)).toBe(1006);
    expect(g.vcpu.registers.get(RDX)).toBe(1012);
    expect(g.vcpu.registers.low(RFLAGS)).toBe(0x602);
    expect(g.vcpu.iopl).toBe(3);
    expect(g.domain.vmAssist).toBe(4);
    const got = g.xen.domctl.getVcpuContext(g.domid, 0);
    const different = [...got.keys()].filter((at) => got[at] !== given[at]);
    expect(different).toEqual([]);
  });

  test('HV-CTX-2: selectors get RPL 3, IF is set, addresses are checked', () => {
    const g = new Machine().guest({ paused: true });
    const { domctl } = g.xen;
    const set = (change: Parameters<Guest['context']>[0]) => {
      domctl.setVcpuContext(g.domid, 0, null);
      return errno(() => domctl.setVcpuContext(g.domid, 0, g.context(change)));
    };
    expect(
      set((m) => {
        m.st16(o.user_regs + 136, 0xe030);
        m.st16(o.user_regs + 160, 0xe028);
        m.st32(o.user_regs + 144, 2);
      }),
    ).toBe(0);
    const { registers: r } = g.vcpu;
    expect([r.cs, r.ss, r.low(RFLAGS)]).toEqual([0xe033, 0xe02b, 0x202]);
    for (const at of [
      o.user_regs + 128,
      o.user_regs + 152,
      o.kernel_sp,
      o.event_callback_eip,
      o.failsafe_callback_eip,
      o.syscall_callback_eip,
      o.fs_base,
      o.gs_base_kernel,
      o.gs_base_user,
      o.ldt_base,
    ]) {
      expect(set((m) => m.st32(at + 4, 0x8000))).toBe(XEN_EINVAL);
    }
    expect(errno(() => domctl.setVcpuContext(g.domid, 0, new Uint8Array(5167)))).toBe(XEN_EINVAL);
  });

  test('HV-CTX-3: on a vCPU that has one, address spaces and descriptor tables must be the same', () => {
    const g = new Machine().guest();
    giveGdt(g);
    g.xen.domctl.pauseDomain(g.domid);
    const same = g.xen.domctl.getVcpuContext(g.domid, 0);
    expect(errno(() => g.xen.domctl.setVcpuContext(g.domid, 0, same))).toBe(0);
    for (const at of [o.ctrlreg + 24, o.ctrlreg + 8, o.gdt_frames, o.gdt_ents, o.ldt_ents]) {
      const other = same.slice();
      new BytesMemory(other).st32(at, new BytesMemory(other).ld32(at) + 4096);
      expect(errno(() => g.xen.domctl.setVcpuContext(g.domid, 0, other))).toBe(XEN_EOPNOTSUPP);
    }
  });

  test('HV-CTX-4: get says online, in kernel, the GDT’s frames; a set without online puts it down', () => {
    const g = new Machine().guest();
    giveGdt(g);
    const m = contextOf(g);
    expect(m.ld32(o.flags)).toBe(VGCF_i387_valid | VGCF_in_kernel | VGCF_online);
    expect([ldU64(m, o.gdt_frames), ldU64(m, o.gdt_frames + 8), ldU64(m, o.gdt_ents)]).toEqual([
      g.mfn(20),
      0,
      500,
    ]);
    expect(ldU64(m, o.ctrlreg + 24)).toBe(g.mfn(0) * 4096);
    expect(ldU64(m, o.ctrlreg + 8)).toBe(g.mfn(4) * 4096);
    m.st32(o.flags, VGCF_in_kernel);
    g.xen.domctl.setVcpuContext(g.domid, 0, m.bytes);
    expect(g.xen.domctl.vcpuInfo(g.domid, 0).online).toBe(false);
    expect(contextOf(g).ld32(o.flags) & VGCF_online).toBe(0);
  });

  test('HV-CTX-5: none before the first is set; a null context takes everything back', () => {
    const g = new Machine().guest({ vcpus: 2 });
    const { domctl } = g.xen;
    expect(errno(() => domctl.getVcpuContext(g.domid, 1))).toBe(XEN_ENODATA);
    expect(errno(() => domctl.getVcpuContext(g.domid, 2))).toBe(XEN_EINVAL);
    expect(errno(() => domctl.getVcpuContext(999, 0))).toBe(XEN_ESRCH);
    giveGdt(g);
    domctl.setVcpuContext(g.domid, 0, null);
    expect([g.vcpu.mmu.kernelRoot, g.vcpu.gdtEntries, g.vcpu.runnable]).toEqual([-1, 0, false]);
    expect(g.xen.accounting()).toEqual([]);
    domctl.setVcpuContext(g.domid, 0, g.context());
    expect(g.vcpu.runnable).toBe(true);
    expect(g.vcpu.registers.get(RIP)).toBe(TEXT);
  });

  test('HV-CTX-6: extended contexts: both callbacks with their masks; 32 bytes at least', () => {
    const g = new Machine().guest();
    const { domctl } = g.xen;
    const context = domctl.getExtVcpuContext(g.domid, 0);
    expect(context.length).toBe(64);
    const m = new BytesMemory(context);
    m.st32(8, HANDLER);
    m.st32(12, -1);
    m.st8(28, 1);
    domctl.setExtVcpuContext(g.domid, 0, context);
    expect(g.vcpu.syscall32Callback).toBe(HANDLER);
    expect([g.vcpu.syscall32Masks, g.vcpu.sysenterMasks]).toEqual([true, false]);
    expect(domctl.getExtVcpuContext(g.domid, 0)).toEqual(context);
    expect(errno(() => domctl.setExtVcpuContext(g.domid, 0, context.subarray(0, 31)))).toBe(
      XEN_EINVAL,
    );
  });

  test('HV-CTX-7: XSAVE state: all of it or none, uncompressed, of features that the host has', () => {
    const g = new Machine().guest();
    const { domctl } = g.xen;
    const state = domctl.getVcpuExtState(g.domid, 0);
    expect(state.length).toBe(592);
    expect(errno(() => domctl.setVcpuExtState(g.domid, 0, state))).toBe(0);
    expect(errno(() => domctl.setVcpuExtState(g.domid, 0, state.subarray(0, 16)))).toBe(0);
    expect(errno(() => domctl.setVcpuExtState(g.domid, 0, state.subarray(0, 591)))).toBe(
      XEN_EINVAL,
    );
    const wrong = state.slice();
    wrong[8] = 7;
    expect(errno(() => domctl.setVcpuExtState(g.domid, 0, wrong))).toBe(XEN_EINVAL);
    const compressed = state.slice();
    compressed[16 + 527] = 0x80;
    expect(errno(() => domctl.setVcpuExtState(g.domid, 0, compressed))).toBe(XEN_EOPNOTSUPP);
  });

  test('HV-CTX-8: MSRs are those that a vCPU has, with bits that they have; those that are zero are not told', () => {
    const g = new Machine().guest();
    const { domctl } = g.xen;
    const msrs = (...words: number[]): Uint8Array => new Uint8Array(Int32Array.from(words).buffer);
    const set = (bytes: Uint8Array): number => errno(() => domctl.setVcpuMsrs(g.domid, 0, bytes));
    expect(domctl.getVcpuMsrs(g.domid, 0)).toEqual(new Uint8Array(0));
    const [aux, control, mask] = [0xc000_0103 | 0, 0x48, 0xc001_101b | 0];
    expect(set(msrs(mask, 0, 0xff, 0, aux, 0, -1, 0, control, 0, 5, 0))).toBe(0);
    const told = msrs(control, 0, 5, 0, aux, 0, -1, 0, mask, 0, 0xff, 0);
    expect(domctl.getVcpuMsrs(g.domid, 0)).toEqual(told);
    for (const wrong of [
      msrs(0x10, 0, 0, 0),
      msrs(aux, 1, 0, 0),
      msrs(aux, 0, 0, 1),
      msrs(control, 0, 8, 0),
    ]) {
      expect(set(wrong)).toBe(XEN_EINVAL);
    }
    expect(set(told.subarray(0, 15))).toBe(XEN_EINVAL);
    expect(domctl.getVcpuMsrs(g.domid, 0)).toEqual(told);
    expect(set(msrs(mask, 0, 0, 0))).toBe(0);
    expect(domctl.getVcpuMsrs(g.domid, 0)).toEqual(told.subarray(0, 32));
  });
});

describe('domains', () => {
  const create = (machine: Machine, options = {}) =>
    machine.xen.domctl.createDomain({
      handle: new Uint8Array(16),
      maxVcpus: 1,
      engine: idle,
      ...options,
    });

  test('HV-DOM-1: a new domain is paused, has no memory, all vCPUs masked, and is told of no event', () => {
    const machine = new Machine();
    const domid = create(machine, { maxVcpus: 2 });
    const info = machine.xen.domctl.getDomainInfo(domid);
    expect([info.paused, info.totPages, info.onlineVcpus, info.maxVcpuId]).toEqual([true, 0, 0, 1]);
    const { memory } = machine.xen;
    for (let id = 0; id < 32; id++) {
      expect(memory.ld8(info.sharedInfoMfn * 4096 + 64 * id + 1)).toBe(1);
    }
    expect(machine.xen.accounting()).toEqual([]);
  });

  test('HV-DOM-2: domids count up from the host’s first; one that is asked for must be free', () => {
    const machine = new Machine({ firstDomid: 31 });
    expect([create(machine), create(machine)]).toEqual([31, 32]);
    expect(create(machine, { domid: 500 })).toBe(500);
    expect(errno(() => create(machine, { domid: 500 }))).toBe(XEN_EEXIST);
    expect(errno(() => create(machine, { domid: 0x7ff0 }))).toBe(XEN_EEXIST);
    expect(errno(() => create(machine, { maxVcpus: 33 }))).toBe(XEN_EINVAL);
    machine.xen.domctl.destroyDomain(32);
    expect(create(machine)).toBe(33);
  });

  test('HV-DOM-3: pause and unpause: nothing runs in between', () => {
    let slices = 0;
    const machine = new Machine();
    const g = machine.guest({
      engine: {
        run: (vcpu, budget_ns) => {
          slices++;
          vcpu.spend(budget_ns);
        },
      },
    });
    machine.runFor(5e6);
    expect(slices).toBeGreaterThan(3);
    machine.xen.domctl.pauseDomain(g.domid);
    machine.runFor(1e6);
    slices = 0;
    machine.runFor(5e6);
    expect(slices).toBe(0);
    machine.xen.domctl.unpauseDomain(g.domid);
    machine.runFor(5e6);
    expect(slices).toBeGreaterThan(3);
  });

  test('HV-DOM-4: destroying one gives everything back', () => {
    const machine = new Machine();
    const { free } = machine.xen.counts();
    const g = machine.guest({ vcpus: 3 });
    giveGdt(g);
    machine.runFor(5e6);
    machine.xen.domctl.destroyDomain(g.domid);
    expect(machine.xen.counts()).toMatchObject({ free, owned: 0, domains: [] });
    expect(errno(() => machine.xen.domctl.destroyDomain(g.domid))).toBe(XEN_ESRCH);
    machine.runFor(5e6);
    expect(machine.xen.accounting()).toEqual([]);
  });

  test('HV-DOM-5: a host without the two frames that a domain needs has no room for one', () => {
    for (const left of [0, 1]) {
      const machine = new Machine({ frames: 600 });
      const domid = create(machine);
      const { domctl } = machine.xen;
      domctl.maxMem(domid, 2 ** 20);
      domctl.populatePhysmap(domid, new Int32Array(machine.xen.counts().free - left));
      expect(machine.xen.counts().free).toBe(left);
      expect(errno(() => create(machine))).toBe(XEN_ENOMEM);
      expect(machine.xen.counts().free).toBe(left);
    }
  });

  test('HV-DOM-6: the hypercall page is Xen’s stubs, in a frame that may be written', () => {
    const g = new Machine().guest();
    g.xen.domctl.hypercallInit(g.domid, g.mfn(20));
    expect(g.ld32(va(20) + 32)).toBe(0xb8534151 | 0);
    expect(g.ld32(va(20) + 36)).toBe(1);
    expect(g.ld32(va(20) + 23 * 32)).toBe(0x50534151 | 0);
    expect(g.ld32(va(20) + 31) >>> 24).toBe(0x53);
    expect(errno(() => g.xen.domctl.hypercallInit(g.domid, g.mfn(3)))).toBe(XEN_EINVAL);
    expect(STACK).toBe(va(10));
  });
});

describe('hosts', () => {
  const frames = (slot: number, seed: number, count: number): number[] => {
    const sim = new Sim(seed);
    const machine = new Machine({ slot, sim, frames: 8192 });
    const domid = machine.xen.domctl.createDomain({
      handle: new Uint8Array(16),
      maxVcpus: 1,
      engine: idle,
    });
    machine.xen.domctl.maxMem(domid, 4 * 8192);
    const pfns = Int32Array.from({ length: count }, (_, i) => i * 512);
    return [...machine.xen.domctl.populatePhysmap(domid, pfns, 9)];
  };

  test('HV-HOST-1: no two slots have a frame in common', () => {
    for (const slot of [0, 1, 62, 63]) {
      for (const mfn of frames(slot, 1, 10)) expect(Math.floor(mfn / 2 ** 21)).toBe(slot);
    }
    const options = {
      sim: new Sim(1),
      memory: new ArrayBuffer(4096),
      frames: 1,
      tscKhz: 1,
      uptime_ns: 0,
      wallclock_ns: 0,
    };
    expect(() => new Hypervisor({ ...options, slot: 64 })).toThrow(
      'expected a slot within [0, 64)',
    );
  });

  test('HV-HOST-2: extents come in an order drawn from the seed: the same twice, another with another seed', () => {
    expect(frames(3, 1, 14)).toEqual(frames(3, 1, 14));
    expect(frames(3, 1, 14)).not.toEqual(frames(3, 2, 14));
    for (const mfn of frames(3, 1, 14)) expect(mfn % 512).toBe(0);
  });

  test('HV-HOST-3: a machine frame of one host is none on another', () => {
    const [a, b] = [new Machine({ slot: 1 }), new Machine({ slot: 2 })];
    const [g, h] = [a.guest(), b.guest()];
    expect(
      h.call(__HYPERVISOR_update_va_mapping, va(20), g.mfn(20) * 4096 + 3, UVMF_INVLPG),
    ).toBeLessThan(0);
    expect(() => b.xen.dom0.mapForeign(h.domid, g.mfn(20))).toThrow('cannot be mapped');
    expect(() => b.xen.memory.ld32(g.mfn(20) * 4096)).toThrow('of this host');
  });

  test('HV-HOST-5: a guest gets pages of domain 0 up to its limit, and refused ones are left with nobody', () => {
    const machine = new Machine();
    const { dom0, domctl } = machine.xen;
    const g = machine.guest();
    domctl.maxMem(g.domid, 4 * (domctl.getDomainInfo(g.domid).totPages + 1));
    const { free } = machine.xen.counts();
    const mfn = dom0.reassignPage(g.domid, Uint8Array.of(1, 2, 3));
    expect([...machine.xen.memory.frameBytes(mfn).subarray(0, 5)]).toEqual([1, 2, 3, 0, 0]);
    expect(g.call(__HYPERVISOR_update_va_mapping, va(20), mfn * 4096 + 3, UVMF_INVLPG)).toBe(0);
    expect(dom0.reassignPage(g.domid, Uint8Array.of(1))).toBe(-1);
    expect(dom0.reassignPage(999, Uint8Array.of(1))).toBe(-1);
    expect(machine.xen.counts().free).toBe(free - 1);
    domctl.destroyDomain(g.domid);
    expect(dom0.reassignPage(g.domid, Uint8Array.of(1))).toBe(-1);
  });

  test('HV-HOST-4: a guest has domain 0 write neither to its page tables nor to another guest', () => {
    const machine = new Machine();
    const { dom0 } = machine.xen;
    const [g, h] = [machine.guest(), machine.guest()];
    for (let table = 0; table < 5; table++) {
      expect(() => dom0.mapFrame(g.domid, g.mfn(table), false)).toThrow('cannot be mapped');
      dom0.mapFrame(g.domid, g.mfn(table), true).unmap();
    }
    expect(() => dom0.mapFrame(g.domid, h.mfn(20), false)).toThrow('cannot be mapped');
    expect(() => dom0.mapFrame(g.domid, h.mfn(20), true)).toThrow('cannot be mapped');
    expect(() => dom0.mapFrame(g.domid, 0xf_ffff, true)).toThrow('cannot be mapped');
    expect(() => dom0.mapFrame(999, g.mfn(20), true)).toThrow('found none');
    const before = machine.xen.accounting();
    const mapping = dom0.mapFrame(g.domid, g.mfn(20), false);
    mapping.memory.st32(8, 77);
    expect(machine.xen.memory.ld32(g.mfn(20) * 4096 + 8)).toBe(77);
    const unmapped = g.call(__HYPERVISOR_update_va_mapping, va(20), 0, UVMF_INVLPG);
    expect([unmapped, dom0.holds]).toMatchObject([0, { size: 1 }]);
    expect(() => dom0.pin(g.domid, 1, g.mfn(20))).toThrow('cannot be pinned');
    mapping.unmap();
    mapping.unmap();
    g.call(__HYPERVISOR_update_va_mapping, va(20), g.mfn(20) * 4096 + 3, UVMF_INVLPG);
    expect(machine.xen.accounting()).toEqual(before);
    const last = dom0.mapFrame(g.domid, g.mfn(21), true);
    machine.xen.domctl.destroyDomain(g.domid);
    expect(() => dom0.mapFrame(g.domid, g.mfn(20), true)).toThrow('found it dying');
    last.unmap();
    expect(() => dom0.mapFrame(g.domid, g.mfn(20), true)).toThrow('found none');
  });
});
