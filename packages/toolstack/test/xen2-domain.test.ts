import { CONTROL_IF_OFFSET, xen2_shared_info } from '@port-xen/abi';
import { BytesMemory, textOf } from '@port-xen/layout';
import { MemoryImage } from '@port-xen/migration-stream';
import { describe, expect, test } from 'vitest';
import { domainLayout, kernelImage } from '../src/index.ts';
import { GUEST_ELF, HandGuest } from './hand-guest.ts';
import { acknowledge, makeHost, testConfig } from './host.ts';
import { NotedController, SHARED_INFO, XEN2_ELF, Xen2Guest } from './xen2-guest.ts';
import { CONFIG, hostOf, pageOf, running, SECOND, SLOT_FRAMES } from './xen2-host.ts';

const LAYOUT = domainLayout(kernelImage(XEN2_ELF), 4096);

describe('a domain of xen-2.0', () => {
  test("BLD-6: its kernel finds Xen 2's start_info, one port, and events masked", () => {
    const guest = new Xen2Guest();
    const { host, controller } = hostOf(1, guest);
    const domid = host.xl.create(testConfig('old'), XEN2_ELF, { paused: true });
    expect(controller.told).toEqual([`connect ${domid} port 6 disks xvda`]);
    expect(
      xen2_shared_info.at(new BytesMemory(pageOf(host, domid)), 0).vcpu_data.at(0),
    ).toMatchObject({
      evtchn_upcall_mask: 1,
    });
    host.xl.unpause(domid);
    host.run(SECOND);
    const { sharedInfoMfn, interface: name } = host.hv.domctl.getDomainInfo(domid);
    expect(name).toBe('xen-2.0');
    guest.mischief = (_, vcpu) => {
      const info = guest.info(vcpu);
      expect(info.nr_pages).toBe(4096);
      expect(info.shared_info).toBe(sharedInfoMfn * 4096);
      expect([info.flags, info.domain_controller_evtchn]).toEqual([0, 6]);
      expect(textOf(info.cmd_line)).toBe('hand made');
      const { virtBase, ptBasePfn, ptFrames, p2mVa } = LAYOUT;
      expect([info.pt_base, info.nr_pt_frames]).toEqual([virtBase + ptBasePfn * 4096, ptFrames]);
      expect(info.mfn_list).toBe(p2mVa);
      expect(guest.mfnOf(vcpu, guest.startInfo)).toBeLessThan(2 ** 20);
    };
    host.xl.save(domid, new MemoryImage(), {}, () => {});
    controller.answer(null);
    guest.wish = 'suspend';
    host.run(12 * SECOND);
    expect(guest.suspendResults).toEqual([]);
    expect(host.hv.accounting()).toEqual([]);
  });

  test('BLD-6: xenstored has its name and never an INTRODUCE; destroyed, it leaves nothing', () => {
    const { host, domid, controller, before, introduced } = running();
    expect(host.xl.list().find((row) => row.domid === domid)?.name).toBe('old');
    expect(host.store.isDomainIntroduced(domid)).toBe(false);
    expect(host.store.tryRead(`/local/domain/${domid}/device`)).toBeUndefined();
    expect(host.store.tryRead('/local/domain/0/backend')).toBeUndefined();
    host.xl.destroy(domid);
    expect(controller.told.at(-1)).toBe(`disconnect ${domid}`);
    expect(host.hv.counts()).toEqual(before);
    expect(host.xenstored.counters()).toEqual(introduced);
    expect(host.hv.accounting()).toEqual([]);
  });

  test('BLD-6: what cannot be one is refused in a sentence, and nothing is left', () => {
    const { host } = hostOf(0, new Xen2Guest());
    const nothing = host.hv.counts();
    const create = (config: Parameters<typeof host.xl.create>[0], elf = XEN2_ELF) => {
      try {
        host.xl.create(config, elf);
      } catch (error) {
        return (error as Error).message;
      }
      return 'no complaint';
    };
    expect(create(testConfig('old', 257))).toBe(
      'expected memory of at most 256 MiB for a domain of xen-2.0, found 257 MiB: its rings carry machine addresses of 32 bits',
    );
    expect(create({ ...CONFIG, maxVcpus: 2 })).toBe(
      'expected one vcpu for a domain of xen-2.0, found 2: its shared_info has no room for more',
    );
    expect(create(CONFIG, GUEST_ELF)).toBe(
      'expected a kernel for xen-2.0, as the configuration says, found one for xen-3.0',
    );
    expect(create({ ...CONFIG, cmdline: 'x'.repeat(256) })).toBe(
      'expected a command line of at most 255 characters, found 256',
    );
    expect(host.hv.counts()).toEqual(nothing);
    const without = makeHost(0, () => new Xen2Guest(), { slotFrames: SLOT_FRAMES });
    expect(() => without.xl.create(CONFIG, XEN2_ELF)).toThrow(
      'expected a domain controller for a domain of xen-2.0, found none on this host',
    );
    expect(without.hv.counts()).toEqual(nothing);
    const high = makeHost(1, () => new Xen2Guest(), { controller: new NotedController() });
    expect(() => high.xl.create(CONFIG, XEN2_ELF)).toThrow('MFNs are all below 2^20');
  });

  test('BLD-6: beside it a domain of xen-3.0 lives as ever', () => {
    const old = new Xen2Guest();
    const young = new HandGuest();
    const controller = new NotedController();
    const host = makeHost(0, (kernel) => (kernel === XEN2_ELF ? old : young), {
      slotFrames: SLOT_FRAMES,
      controller,
    });
    host.xl.create(testConfig('old'), XEN2_ELF);
    const domid = host.xl.create(
      { ...testConfig('young'), uuid: CONFIG.uuid.replace(/4$/, '5') },
      GUEST_ELF,
    );
    host.run(SECOND);
    acknowledge(host, domid, () => {
      young.wish = 'suspend';
    });
    let outcome: Error | null | undefined;
    host.xl.save(domid, new MemoryImage(), { checkpoint: true }, (error) => {
      outcome = error;
    });
    host.run(12 * SECOND);
    expect([outcome, young.suspendResults]).toEqual([null, [1]]);
    expect(controller.told).toHaveLength(1);
    expect(host.hv.accounting()).toEqual([]);
  });
});

describe('its resume as if restored', () => {
  test('SUS-6: destroyed meanwhile it is told so, once, and nothing is left', () => {
    const { host, guest, controller, domid, state, save, before } = running();
    save({ checkpoint: true, resume: 'reset' });
    controller.answer(null);
    guest.wish = 'suspend';
    while (controller.told.at(-1) !== `disconnect ${domid}`) host.run(1e5);
    expect(state.outcome).toBeUndefined();
    host.xl.destroy(domid);
    expect(state.outcome?.message).toBe('guest we were resuming has been destroyed');
    host.run(12 * SECOND);
    expect(state.calls).toBe(1);
    expect(host.hv.counts()).toEqual(before);
  });
});

describe('what it is asked', () => {
  test('SUS-9: goes to its controller: power off, a key, memory, disks; an answer that says no is told', () => {
    const { host, controller, domid } = running();
    const before = controller.told.length;
    host.xl.requestShutdown(domid, 'halt');
    host.xl.sysrq(domid, 'h');
    host.xl.setMemoryTarget(domid, 12);
    controller.answer(new Error('it does not know how'));
    const disk = { pdevPath: '/b', vdev: 'xvdb', format: 'raw', readwrite: true } as const;
    host.xl.attachDisk(domid, disk);
    expect(() => host.xl.attachDisk(domid, disk)).toThrow('has a device xvdb already');
    const outcome: (Error | null)[] = [];
    host.xl.detachDisk(domid, 'xvdb', (error) => outcome.push(error));
    controller.answer(null);
    expect(outcome).toEqual([null]);
    expect(host.xl.configOf(domid).disks.map(({ vdev }) => vdev)).toEqual(['xvda']);
    expect(controller.told.slice(before)).toEqual([
      `shutdown ${domid} poweroff`,
      `sysrq ${domid} h`,
      `memory ${domid} 3072`,
      `attach ${domid} xvdb`,
      `detach ${domid} xvdb`,
    ]);
    expect(host.story).toContain(`toolstack: domain ${domid}: it does not know how`);
    expect(() => host.xl.sysrq(domid, 'hh')).toThrow('expected one key, found "hh"');
    expect(() => host.xl.setMemoryTarget(domid, 17)).toThrow('expected 1 to 16 MiB');
    expect(() => host.xl.setMemoryTarget(domid, Number.NaN)).toThrow('expected 1 to 16 MiB');
  });
});

describe('its suspend', () => {
  test('SUS-8: the controller asks; the guest answers within its time and suspends within a minute', () => {
    const { host, controller, domid, state, save } = running();
    save();
    expect(controller.told.at(-1)).toBe(`shutdown ${domid} suspend`);
    host.run(30 * SECOND);
    expect(state.outcome).toBeUndefined();
    controller.answer(new Error('no answer within 60 s'));
    expect(state.outcome?.message).toBe('no answer within 60 s');
    save();
    controller.answer(null);
    host.run(61 * SECOND);
    expect(state.outcome?.message).toBe('guest did not suspend, timed out');
    expect(host.hv.domctl.getDomainInfo(domid).shutdown).toBe(false);
  });

  test('SUS-7: a guest that suspends after its time is over goes on', () => {
    const { host, guest, controller, state, save } = running();
    save();
    controller.answer(new Error('no answer within 60 s'));
    guest.wish = 'suspend';
    host.run(12 * SECOND);
    expect(guest.suspendResults).toEqual([1]);
    expect(state.outcome?.message).toBe('no answer within 60 s');
  });

  test('SUS-8: one that powers off instead, or is destroyed, ends the save in a sentence', () => {
    const { host, guest, controller, state, save } = running();
    save();
    controller.answer(null);
    guest.wish = 'poweroff';
    host.run(12 * SECOND);
    expect(state.outcome?.message).toBe(
      'guest we were suspending has shut down with unexpected reason code 0',
    );
    const other = running();
    other.save();
    other.host.xl.destroy(other.domid);
    expect(other.state.outcome?.message).toBe('guest we were suspending has been destroyed');
    other.controller.answer(null);
    other.host.run(61 * SECOND);
    expect(other.state.calls).toBe(1);
  });

  test('SUS-6: where it was: the same port, the same rings, its hypercall returns 1', () => {
    const { host, guest, controller, domid, state, save, obey } = running();
    guest.mischief = (_, vcpu) => vcpu.memory.st32(SHARED_INFO + CONTROL_IF_OFFSET + 8, 0x5a5a);
    const ports = host.hv.counts().domains;
    save({ checkpoint: true });
    obey();
    expect([state.outcome, guest.suspendResults]).toEqual([null, [1]]);
    expect(controller.told.at(-1)).toBe(`resume ${domid}`);
    expect(new BytesMemory(guest.controlArea).ld32(8)).toBe(0x5a5a);
    expect(host.hv.counts().domains).toEqual(ports);
    host.run(61 * SECOND);
    expect(state.calls).toBe(1);
  });

  test('SUS-6: as if restored: a new channel whose rings are at rest, in start_info too', () => {
    const { host, guest, controller, domid, state, save, obey } = running(2);
    guest.mischief = (_, vcpu) => {
      vcpu.memory.st32(SHARED_INFO + CONTROL_IF_OFFSET + 8, 0x5a5a);
      guest.info(vcpu).domain_controller_evtchn = 99;
    };
    save({ checkpoint: true, resume: 'reset' });
    const before = controller.told.length;
    obey();
    expect([state.outcome, guest.suspendResults]).toEqual([null, [0]]);
    expect(controller.told.slice(before)).toEqual([
      `disconnect ${domid}`,
      `connect ${domid} port 11 disks xvda`,
      `resume ${domid}`,
    ]);
    expect(guest.controlArea.every((byte) => byte === 0)).toBe(true);
    expect(guest.port).toBe(11);
    expect(host.hv.accounting()).toEqual([]);
  });
});
