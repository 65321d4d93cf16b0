/*
 * A guest that keeps a handle of its former life is stopped at the first use, with a sentence that names the handle, where it
 * came from, and what should have dropped it.
 */
import { start_info } from '@port-xen/abi';
import { PAGE_SIZE } from '@port-xen/kern';
import { ldI64, st64 } from '@port-xen/layout';
import { machdep_data } from '@port-xen/machdep';
import { createHost, type FormerLife, memoryDisk } from '@tooling/testbed';
import { describe, expect, test } from 'vitest';
import { KernelMemory } from './kernel-memory.ts';
import { stale_data, staleKernel } from './stale-kernel.ts';

const MIB = 2 ** 20;
const kernel = staleKernel();
const disks = { xvda: memoryDisk(MIB), xvdb: memoryDisk(MIB) };
const BACK = '/local/domain/0/backend/vbd/1/51712';

/** A guest under load, saved; and what it had, by its own tables and by Xen's. */
const saved = (() => {
  const host = createHost({ mib: 16 });
  const { elf, engine } = kernel;
  const domid = host.bootKernel({
    elf,
    engine,
    memoryMib: 8,
    disks,
    cmdline: 'init=pattern /dev/xbd0 1 2',
  });
  host.runFor(50e6);
  const domain = host.hv.domains.get(domid);
  const sharedInfo = domain?.sharedInfoMfn as number;
  const reference = Number(host.store.read('/local/domain/1/device/vbd/51712/ring-ref'));
  // struct grant_entry_v1: flags, domid, frame.
  const ringMfn = host.hv.memory.ld32((domain?.grants.addressOf(reference) as number) + 4);
  const ring = { mfn: ringMfn, pfn: host.hv.m2p.get(ringMfn) };
  const image = host.saveToBytes(domid);
  return { image, sharedInfo, ring, former: host.formerLives.get(domid) as FormerLife };
})();

const portOf = (node: string): number =>
  [...saved.former.ports].find(([, { was }]) => was.startsWith(node))?.[0] as number;
const referenceOf = (node: string): number =>
  [...saved.former.references].find(([, { was }]) => was.startsWith(node))?.[0] as number;

/** Restores the guest elsewhere, has its memory meddled with, and lets it run. */
const restored = (meddle: (memory: KernelMemory) => void): string => {
  const host = createHost({ mib: 16, slot: 1, firstPort: 33 });
  const domid = host.restoreFromBytes(saved.image, kernel.engine, {
    disks: {
      xvda: memoryDisk(disks.xvda.bytes.slice()),
      xvdb: memoryDisk(disks.xvdb.bytes.slice()),
    },
    former: saved.former,
    paused: true,
  });
  meddle(new KernelMemory(host, domid));
  host.xl.unpause(domid);
  host.runFor(2e9);
  return host.consoleText(domid);
};

const startInfoOf = (memory: KernelMemory): number =>
  machdep_data.at(memory, kernel.dataOf('machdep')).start_info;
const staleOf = (memory: KernelMemory) => stale_data.at(memory, kernel.dataOf('stale'));

describe('a stale handle', () => {
  test('is not seen where there is none', () => {
    expect(restored(() => {})).toContain('pattern: 256 blocks');
  });

  test('an MFN: shared_info where it was', () => {
    expect(() =>
      restored((memory) => {
        const { shared_info } = start_info.offset;
        st64(memory, startInfoOf(memory) + shared_info, saved.sharedInfo * PAGE_SIZE);
      }),
    ).toThrow(
      new RegExp(
        `^stale mfn 0x${saved.sharedInfo.toString(16)}, used by update_va_mapping in domain 11 at event \\d+: it was shared_info of domain 1 on the host of slot 0; expected it to be dropped: xen_prepare_resume maps what start_info.shared_info names$`,
      ),
    );
  });

  test('an MFN: a ring’s, in the P2M, which the guest grants', () => {
    const { mfn, pfn } = saved.ring;
    expect(() =>
      restored((memory) => {
        const list = ldI64(memory, startInfoOf(memory) + start_info.offset.mfn_list);
        st64(memory, list + 8 * pfn, mfn);
      }),
    ).toThrow(
      new RegExp(
        `^stale mfn 0x${mfn.toString(16)}, used by grant \\d+ in domain 11 at event \\d+: it was pfn ${pfn} of domain 1 on the host of slot 0; expected it to be dropped: the toolstack writes the P2M and all tables anew; nobody may keep a copy$`,
      ),
    );
  });

  test('a port: the console’s', () => {
    const port = portOf('/local/domain/1/console/');
    expect(() =>
      restored((memory) => {
        memory.st32(startInfoOf(memory) + start_info.offset.console + 8, port);
      }),
    ).toThrow(
      new RegExp(
        `^stale port ${port}, used by EVTCHNOP_send in domain 11 at event \\d+: it was /local/domain/1/console/port of domain 1 on the host of slot 0; expected it to be dropped: xencons_resume takes the port that start_info names$`,
      ),
    );
  });

  test('a port: a disk’s, published', () => {
    const port = portOf('/local/domain/1/device/vbd/51712/');
    expect(() =>
      restored((memory) => {
        staleOf(memory).port = port;
      }),
    ).toThrow(
      new RegExp(
        `^stale port ${port}, used by a node for a back end in domain 11 .*: it was /local/domain/1/device/vbd/51712/event-channel of domain 1 .*: xbd_xenbus_resume makes ring and channel anew$`,
      ),
    );
  });

  test('a grant reference: a ring’s, published', () => {
    const reference = referenceOf('/local/domain/1/device/vbd/51728/');
    expect(() =>
      restored((memory) => {
        staleOf(memory).reference = reference;
      }),
    ).toThrow(
      new RegExp(
        `^stale reference ${reference}, used by a request to a back end in domain 11 .*: it was /local/domain/1/device/vbd/51728/ring-ref of domain 1 .*: xbd_xenbus_resume makes ring and channel anew$`,
      ),
    );
  });

  test('a domid: in the path of a back end', () => {
    expect(() =>
      restored((memory) => {
        staleOf(memory).keeps_paths = 1;
      }),
    ).toThrow(
      new RegExp(
        `^stale domid 1, used by a request about ${BACK}/state in domain 11 .*: it was the domain's on the host of slot 0; expected it to be dropped: xenbus_resume reads every device's .backend. anew$`,
      ),
    );
  });
});
