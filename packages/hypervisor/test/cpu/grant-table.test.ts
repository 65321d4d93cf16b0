import {
  __HYPERVISOR_grant_table_op,
  GNTCOPY_dest_gref,
  GNTCOPY_source_gref,
  GNTMAP_contains_pte,
  GNTMAP_device_map,
  GNTMAP_host_map,
  GNTMAP_readonly,
  GNTST_bad_copy_arg,
  GNTST_bad_domain,
  GNTST_bad_gntref,
  GNTST_bad_handle,
  GNTST_bad_page,
  GNTST_bad_virt_addr,
  GNTST_general_error,
  GNTST_no_device_space,
  GNTST_okay,
  GNTST_permission_denied,
  GNTTABOP_copy,
  GNTTABOP_get_status_frames,
  GNTTABOP_get_version,
  GNTTABOP_map_grant_ref,
  GNTTABOP_query_size,
  GNTTABOP_set_version,
  GNTTABOP_setup_table,
  GNTTABOP_swap_grant_ref,
  GNTTABOP_transfer,
  GNTTABOP_unmap_and_replace,
  GNTTABOP_unmap_grant_ref,
  GTF_accept_transfer,
  GTF_permit_access,
  GTF_reading,
  GTF_readonly,
  GTF_sub_page,
  GTF_writing,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
  XEN_EPERM,
  XEN_ESRCH,
} from '@port-xen/abi';
import { describe, expect, test } from 'vitest';
import {
  ARGS,
  DOMID_SELF,
  type Guest,
  type GuestOptions,
  idle,
  Machine,
  NOWHERE,
  va,
} from './machine.ts';

const pair = (options: GuestOptions = {}): [Guest, Guest, Machine] => {
  const machine = new Machine();
  return [machine.guest(options), machine.guest(options), machine];
};

const op = (g: Guest, cmd: number, count = 1): number =>
  g.call(__HYPERVISOR_grant_table_op, cmd, ARGS, count);

const status = (g: Guest, at: number): number => (g.ld32(ARGS + at) << 16) >> 16;

/** Writes a grant entry, as the domain would through its mapping of the table. */
const grant = (g: Guest, ref: number, to: number, mfn: number, flags = GTF_permit_access): void => {
  const at = g.domain.grants.addressOf(ref);
  g.xen.memory.st32(at + 4, mfn);
  g.xen.memory.st32(at, flags | (to << 16));
};

const entryFlags = (g: Guest, ref: number): number =>
  g.xen.memory.ld16(g.domain.grants.addressOf(ref));

interface Mapped {
  readonly status: number;
  readonly handle: number;
  readonly bus: number;
}

const map = (g: Guest, dom: number, ref: number, flags: number, hostAddr = va(30)): Mapped => {
  g.longs(ARGS, hostAddr, 0, 0, 0);
  g.words(ARGS + 8, flags, ref, dom, 0);
  expect(op(g, GNTTABOP_map_grant_ref)).toBe(0);
  return { status: status(g, 18), handle: g.ld32(ARGS + 20), bus: g.ld64(ARGS + 24) };
};

const unmap = (g: Guest, handle: number, hostAddr = va(30), bus = 0): number => {
  g.longs(ARGS, hostAddr, bus, handle);
  expect(op(g, GNTTABOP_unmap_grant_ref)).toBe(0);
  return status(g, 20);
};

interface Side {
  readonly u: number;
  readonly dom?: number;
  readonly offset?: number;
}

const copy = (g: Guest, flags: number, source: Side, dest: Side, length = 64): number => {
  const word = ({ dom = DOMID_SELF, offset = 0 }: Side) => dom | (offset << 16);
  g.longs(ARGS, source.u, 0, dest.u, 0, 0);
  g.words(ARGS + 8, word(source));
  g.words(ARGS + 24, word(dest));
  g.words(ARGS + 32, length | (flags << 16), 0);
  expect(op(g, GNTTABOP_copy)).toBe(0);
  return status(g, 36);
};

const books = (machine: Machine) => machine.xen.accounting();

describe('the table', () => {
  test('HV-GNT-1: setup_table grows it and gives its frames, up to the limit', () => {
    const [g, other] = pair({ maxGrantFrames: 4 });
    g.longs(ARGS, g.domid + 3 * 2 ** 32, 0, va(12));
    expect(op(g, GNTTABOP_setup_table)).toBe(0);
    expect(status(g, 8)).toBe(GNTST_okay);
    expect([0, 1, 2].map((i) => g.ld64(va(12) + 8 * i))).toEqual(g.domain.grants.frames);
    g.words(ARGS, DOMID_SELF, 5);
    op(g, GNTTABOP_setup_table);
    expect(status(g, 8)).toBe(GNTST_general_error);
    g.words(ARGS, other.domid, 1);
    op(g, GNTTABOP_setup_table);
    expect(status(g, 8)).toBe(GNTST_permission_denied);
    g.words(ARGS, 999, 1);
    op(g, GNTTABOP_setup_table);
    expect(status(g, 8)).toBe(GNTST_bad_domain);
    expect(op(g, GNTTABOP_setup_table, 2)).toBe(-XEN_EINVAL);
    g.longs(ARGS, DOMID_SELF + 2 ** 32, 0, NOWHERE);
    expect(op(g, GNTTABOP_setup_table)).toBe(0);
    expect(status(g, 8)).toBe(GNTST_bad_virt_addr);
    g.longs(ARGS, DOMID_SELF + 2 ** 32, 0, 2 ** 50);
    expect(op(g, GNTTABOP_setup_table)).toBe(-XEN_EFAULT);
  });

  test('HV-GNT-2: query_size', () => {
    const [g, other] = pair();
    g.words(ARGS, DOMID_SELF, 0, 0, 0);
    expect(op(g, GNTTABOP_query_size)).toBe(0);
    expect([g.ld32(ARGS + 4), g.ld32(ARGS + 8), status(g, 12)]).toEqual([1, 64, 0]);
    g.words(ARGS, other.domid);
    op(g, GNTTABOP_query_size);
    expect(status(g, 12)).toBe(GNTST_permission_denied);
  });

  test('HV-GNT-3: version 1 and no other; it may be set again while grants are mapped', () => {
    const [g, other] = pair();
    grant(g, 8, other.domid, g.mfn(20));
    map(other, g.domid, 8, GNTMAP_host_map);
    for (const [version, rc] of [
      [1, 0],
      [2, -XEN_ENOSYS],
      [3, -XEN_EINVAL],
    ] as const) {
      g.words(ARGS, version);
      expect(op(g, GNTTABOP_set_version)).toBe(rc);
      expect(g.ld32(ARGS)).toBe(1);
    }
    g.words(ARGS, DOMID_SELF, 0);
    expect(op(g, GNTTABOP_get_version)).toBe(0);
    expect(g.ld32(ARGS + 4)).toBe(1);
    g.words(ARGS, other.domid, 0);
    expect(op(g, GNTTABOP_get_version)).toBe(-XEN_EPERM);
    g.words(ARGS, 999, 0);
    expect(op(g, GNTTABOP_get_version)).toBe(-XEN_ESRCH);
    g.words(ARGS, 1, DOMID_SELF, 0, 0);
    expect(op(g, GNTTABOP_get_status_frames)).toBe(0);
    expect(status(g, 6)).toBe(GNTST_general_error);
  });

  test('HV-GNT-4: unknown commands -ENOSYS, a negative count -EINVAL, bad pointers -EFAULT', () => {
    const [g] = pair();
    expect(op(g, GNTTABOP_swap_grant_ref)).toBe(-XEN_ENOSYS);
    expect(op(g, 99)).toBe(-XEN_ENOSYS);
    expect(op(g, GNTTABOP_copy, -1)).toBe(-XEN_EINVAL);
    expect(op(g, GNTTABOP_copy, 0)).toBe(0);
    for (const cmd of [0, 1, 2, 4, 5, 6, 7, 8, 10]) {
      expect(g.call(__HYPERVISOR_grant_table_op, cmd, NOWHERE, 1)).toBe(-XEN_EFAULT);
    }
  });
});

describe('map and unmap', () => {
  test('HV-GNT-10: a host mapping is the granter’s frame; reading and writing say that it is in use', () => {
    const [g, back, machine] = pair();
    grant(g, 8, back.domid, g.mfn(20));
    g.words(va(20), 4711);
    const { status, handle, bus } = map(back, g.domid, 8, GNTMAP_host_map);
    expect([status, bus]).toEqual([GNTST_okay, g.mfn(20) * 4096]);
    back.vcpu.mmu.flush();
    expect(back.ld32(va(30))).toBe(4711);
    back.words(va(30), 12);
    expect(g.ld32(va(20))).toBe(12);
    expect(entryFlags(g, 8)).toBe(GTF_permit_access | GTF_reading | GTF_writing);
    expect(g.domain.grants.inUse).toBe(1);
    expect(books(machine)).toEqual([]);
    expect(unmap(back, handle)).toBe(GNTST_okay);
    expect(entryFlags(g, 8)).toBe(GTF_permit_access);
    expect(() => back.ld32(va(30))).toThrow('page fault');
    expect([back.domain.maptrack.count, g.domain.grants.inUse]).toEqual([0, 0]);
    expect(unmap(back, handle)).toBe(GNTST_bad_handle);
    expect(books(machine)).toEqual([]);
  });

  test('HV-GNT-11: what is refused, and as what', () => {
    const [g, back, machine] = pair();
    const third = machine.guest();
    grant(g, 8, back.domid, g.mfn(20));
    grant(g, 9, back.domid, g.mfn(20), GTF_permit_access | GTF_readonly);
    grant(g, 10, back.domid, g.mfn(20), GTF_permit_access | GTF_sub_page);
    grant(g, 11, back.domid, back.mfn(20));
    grant(g, 12, back.domid, g.mfn(3));
    const statusOf = (who: Guest, dom: number, ref: number, flags: number, at?: number) =>
      map(who, dom, ref, flags, at).status;
    expect(statusOf(back, g.domid, 8, 0)).toBe(GNTST_bad_gntref);
    expect(statusOf(back, 999, 8, GNTMAP_host_map)).toBe(GNTST_bad_domain);
    expect(statusOf(back, 0, 8, GNTMAP_host_map)).toBe(GNTST_bad_domain);
    expect(statusOf(back, g.domid, 512, GNTMAP_host_map)).toBe(GNTST_bad_gntref);
    expect(statusOf(third, g.domid, 8, GNTMAP_host_map)).toBe(GNTST_general_error);
    expect(statusOf(back, g.domid, 13, GNTMAP_host_map)).toBe(GNTST_general_error);
    expect(statusOf(back, g.domid, 9, GNTMAP_host_map)).toBe(GNTST_general_error);
    expect(statusOf(back, g.domid, 10, GNTMAP_host_map)).toBe(GNTST_general_error);
    expect(statusOf(back, g.domid, 11, GNTMAP_host_map)).toBe(GNTST_bad_page);
    expect(statusOf(back, g.domid, 12, GNTMAP_host_map)).toBe(GNTST_general_error);
    expect(statusOf(back, g.domid, 8, GNTMAP_host_map, NOWHERE - 2 ** 30)).toBe(
      GNTST_general_error,
    );
    expect(
      [8, 9, 10, 11, 12].map((ref) => entryFlags(g, ref) & (GTF_reading | GTF_writing)),
    ).toEqual([0, 0, 0, 0, 0]);
    expect([g.domain.grants.inUse, back.domain.maptrack.count]).toEqual([0, 0]);
    expect(statusOf(back, g.domid, 9, GNTMAP_host_map | GNTMAP_readonly)).toBe(GNTST_okay);
    expect(statusOf(back, g.domid, 12, GNTMAP_host_map | GNTMAP_readonly, va(31))).toBe(GNTST_okay);
    expect(books(machine)).toEqual([]);
  });

  test('HV-GNT-12: while it is pinned a grant is what it was, whatever the granter writes', () => {
    const [g, back, machine] = pair();
    grant(g, 8, back.domid, g.mfn(20));
    map(back, g.domid, 8, GNTMAP_host_map | GNTMAP_readonly);
    grant(g, 8, 0, g.mfn(21), 0);
    const second = map(back, g.domid, 8, GNTMAP_host_map | GNTMAP_readonly, va(31));
    expect([second.status, second.bus]).toEqual([GNTST_okay, g.mfn(20) * 4096]);
    // The first writable pin looks again whether it may.
    grant(g, 8, 0, g.mfn(21), GTF_readonly);
    expect(map(back, g.domid, 8, GNTMAP_host_map, va(32)).status).toBe(GNTST_general_error);
    expect(map(g, g.domid, 8, GNTMAP_host_map, va(32)).status).toBe(GNTST_general_error);
    expect(books(machine)).toEqual([]);
  });

  test('HV-GNT-13: host and device are two mappings with one handle, unmapped by their addresses', () => {
    const [g, back, machine] = pair();
    grant(g, 8, back.domid, g.mfn(20));
    const { status, handle, bus } = map(back, g.domid, 8, GNTMAP_host_map | GNTMAP_device_map);
    expect(status).toBe(GNTST_okay);
    expect(books(machine)).toEqual([]);
    expect(unmap(back, handle, 0, bus + 4096)).toBe(GNTST_general_error);
    expect(unmap(back, handle, 0, 0)).toBe(GNTST_okay);
    expect(unmap(back, handle, va(30), 0)).toBe(GNTST_okay);
    expect(back.domain.maptrack.count).toBe(1);
    expect(entryFlags(g, 8) & GTF_writing).not.toBe(0);
    expect(books(machine)).toEqual([]);
    expect(unmap(back, handle, va(30), bus)).toBe(GNTST_okay);
    expect([back.domain.maptrack.count, entryFlags(g, 8)]).toEqual([0, GTF_permit_access]);
    expect(books(machine)).toEqual([]);
  });

  test('HV-GNT-14: writing goes with the last writable mapping, reading with the last of all', () => {
    const [g, back] = pair();
    grant(g, 8, back.domid, g.mfn(20));
    const writable = map(back, g.domid, 8, GNTMAP_host_map).handle;
    const readonly = map(back, g.domid, 8, GNTMAP_host_map | GNTMAP_readonly, va(31)).handle;
    unmap(back, writable);
    expect(entryFlags(g, 8)).toBe(GTF_permit_access | GTF_reading);
    unmap(back, readonly, va(31));
    expect(entryFlags(g, 8)).toBe(GTF_permit_access);
  });

  test('HV-GNT-15: by the machine address of an entry; unmap needs the entry as it was mapped', () => {
    const [g, back, machine] = pair();
    grant(g, 8, back.domid, g.mfn(20));
    const pte = back.mfn(3) * 4096 + 8 * 30;
    const { status, handle } = map(back, g.domid, 8, GNTMAP_host_map | GNTMAP_contains_pte, pte);
    expect(status).toBe(GNTST_okay);
    expect(unmap(back, handle, pte + 8)).toBe(GNTST_general_error);
    expect(unmap(back, handle, pte)).toBe(GNTST_okay);
    expect(map(back, g.domid, 8, GNTMAP_host_map | GNTMAP_contains_pte, pte + 4).status).toBe(
      GNTST_general_error,
    );
    expect(books(machine)).toEqual([]);
  });

  test('HV-GNT-16: unmap_and_replace moves another entry there; without one it unmaps; not by machine address', () => {
    const [g, back, machine] = pair();
    grant(g, 8, back.domid, g.mfn(20));
    const replace = (handle: number, hostAddr: number, newAddr: number): number => {
      back.longs(ARGS, hostAddr, newAddr, handle);
      expect(op(back, GNTTABOP_unmap_and_replace)).toBe(0);
      return status(back, 20);
    };
    back.words(va(31), 31);
    const first = map(back, g.domid, 8, GNTMAP_host_map).handle;
    expect(replace(first, va(30), va(31))).toBe(GNTST_okay);
    expect(back.ld32(va(30))).toBe(31);
    expect(() => back.ld32(va(31))).toThrow('page fault');
    const second = map(back, g.domid, 8, GNTMAP_host_map, va(31)).handle;
    expect(replace(second, va(31), 0)).toBe(GNTST_okay);
    const pte = back.mfn(3) * 4096 + 8 * 31;
    const third = map(back, g.domid, 8, GNTMAP_host_map | GNTMAP_contains_pte, pte).handle;
    expect(replace(third, pte, va(30))).toBe(GNTST_general_error);
    expect(books(machine)).toEqual([]);
  });

  test('HV-GNT-17: no more mappings than maptrack frames have room for; the handle freed last is used next', () => {
    const [g, back] = pair({ maxMaptrackFrames: 1 });
    grant(g, 8, back.domid, g.mfn(20));
    const flags = GNTMAP_device_map | GNTMAP_readonly;
    const mapped = Array.from({ length: 256 }, () => map(back, g.domid, 8, flags));
    expect(mapped.every(({ status }) => status === GNTST_okay)).toBe(true);
    expect(map(back, g.domid, 8, flags).status).toBe(GNTST_no_device_space);
    expect(unmap(back, 77, 0, g.mfn(20) * 4096)).toBe(GNTST_okay);
    expect(map(back, g.domid, 8, flags).handle).toBe(77);
  });

  test('HV-GNT-18: each operation has its own status; the batch goes on', () => {
    const [g, back] = pair();
    grant(g, 8, back.domid, g.mfn(20));
    back.longs(ARGS, va(30), 0, 0, 0, va(31), 0, 0, 0);
    back.words(ARGS + 8, GNTMAP_host_map, 99, g.domid, 0);
    back.words(ARGS + 40, GNTMAP_host_map, 8, g.domid, 0);
    expect(op(back, GNTTABOP_map_grant_ref, 2)).toBe(0);
    expect([status(back, 18), status(back, 50)]).toEqual([GNTST_general_error, GNTST_okay]);
  });
});

describe('copy', () => {
  test('HV-GNT-20: from a grant to a frame of one’s own, and back', () => {
    const [g, back, machine] = pair();
    grant(g, 8, back.domid, g.mfn(20));
    g.words(va(20) + 256, 1, 2, 3);
    const from = { u: 8, dom: g.domid, offset: 256 };
    expect(copy(back, GNTCOPY_source_gref, from, { u: back.mfn(21), offset: 8 }, 12)).toBe(0);
    expect([0, 4, 8].map((at) => back.ld32(va(21) + 8 + at))).toEqual([1, 2, 3]);
    expect(
      copy(back, GNTCOPY_dest_gref, { u: back.mfn(21), offset: 8 }, { u: 8, dom: g.domid }),
    ).toBe(0);
    expect(g.ld32(va(20))).toBe(1);
    expect([entryFlags(g, 8), g.domain.grants.inUse]).toEqual([GTF_permit_access, 0]);
    expect(books(machine)).toEqual([]);
  });

  test('HV-GNT-21: what is refused, and as what', () => {
    const [g, back, machine] = pair();
    grant(g, 8, back.domid, g.mfn(20), GTF_permit_access | GTF_readonly);
    grant(g, 9, back.domid, back.mfn(20));
    grant(g, 10, back.domid, g.mfn(3));
    const own = { u: back.mfn(21) };
    const ref = (u: number, dom = g.domid) => ({ u, dom });
    expect(copy(back, 0, { u: g.mfn(20), dom: g.domid }, own)).toBe(GNTST_permission_denied);
    expect(copy(back, GNTCOPY_source_gref, ref(8, 999), own)).toBe(GNTST_bad_domain);
    expect(copy(back, GNTCOPY_source_gref, ref(600), own)).toBe(GNTST_bad_gntref);
    expect(copy(back, GNTCOPY_source_gref, ref(9), own)).toBe(GNTST_bad_page);
    expect(copy(back, GNTCOPY_source_gref, ref(11), own)).toBe(GNTST_general_error);
    expect(copy(back, GNTCOPY_dest_gref, own, ref(8))).toBe(GNTST_general_error);
    expect(copy(back, GNTCOPY_dest_gref, own, ref(10))).toBe(GNTST_general_error);
    expect(copy(back, 0, { u: g.mfn(20) }, own)).toBe(GNTST_bad_page);
    expect(copy(back, 0, own, { u: back.mfn(3) })).toBe(GNTST_general_error);
    expect(copy(back, 0, own, { u: 2 ** 52 })).toBe(GNTST_bad_page);
    expect(copy(back, 0, { ...own, offset: 4000 }, own, 97)).toBe(GNTST_bad_copy_arg);
    expect(copy(back, 0, own, { ...own, offset: 4095 }, 2)).toBe(GNTST_bad_copy_arg);
    expect(copy(back, 0, { ...own, offset: 4095 }, own, 1)).toBe(GNTST_okay);
    expect(copy(back, GNTCOPY_source_gref, ref(8), own)).toBe(GNTST_okay);
    expect(copy(back, GNTCOPY_source_gref, ref(10), own)).toBe(GNTST_okay);
    expect(g.domain.grants.inUse).toBe(0);
    expect(books(machine)).toEqual([]);
  });

  test('HV-GNT-22: overlapping within one frame is as if from a copy', () => {
    const [g] = pair();
    g.words(va(20), 1, 2, 3, 4);
    copy(g, 0, { u: g.mfn(20) }, { u: g.mfn(20), offset: 4 }, 12);
    expect([0, 4, 8, 12].map((at) => g.ld32(va(20) + at))).toEqual([1, 1, 2, 3]);
  });
});

describe('transfer', () => {
  const transfer = (g: Guest, mfn: number, domid: number, ref: number): number => {
    g.longs(ARGS, mfn, domid + ref * 2 ** 32, 0);
    expect(op(g, GNTTABOP_transfer)).toBe(0);
    return status(g, 16);
  };
  /** A frame that nothing maps. */
  const loose = (g: Guest, pfn: number): number => {
    g.call(14, va(pfn), 0, 2);
    return g.mfn(pfn);
  };

  test('HV-GNT-30: a frame that nothing maps goes to who accepts it', () => {
    const [g, to, machine] = pair();
    const mfn = loose(g, 20);
    grant(to, 8, g.domid, 0, GTF_accept_transfer);
    expect(transfer(g, mfn, to.domid, 8)).toBe(GNTST_okay);
    expect([entryFlags(to, 8), machine.xen.memory.ld32(to.domain.grants.addressOf(8) + 4)]).toEqual(
      [GTF_accept_transfer | 4 | 8, mfn],
    );
    expect(machine.xen.host.table.ownerOf(mfn)).toBe(to.domid);
    expect([g.domain.totPages, to.domain.totPages]).toEqual([63, 65]);
    expect(books(machine)).toEqual([]);
  });

  test('HV-GNT-32: dom0 gives a page that is its bytes and zeros, or says why not and keeps nothing', () => {
    const [g, , machine] = pair();
    const { dom0, host } = machine.xen;
    const { free } = host.allocator;
    grant(g, 8, 0, 0, GTF_accept_transfer);
    grant(g, 9, 3, 0, GTF_accept_transfer);
    grant(g, 10, 0, 0, 1);
    const bytes = Uint8Array.of(1, 2, 3);
    const give = (ref: number, domid = g.domid) => dom0.grantTransfer([{ bytes, domid, ref }])[0];
    expect(give(8)).toBe(GNTST_okay);
    const mfn = machine.xen.memory.ld32(g.domain.grants.addressOf(8) + 4);
    const page = new Uint8Array(4096);
    page.set(bytes);
    expect(host.memory.frameBytes(mfn)).toEqual(page);
    expect(host.table.ownerOf(mfn)).toBe(g.domid);
    expect([host.allocator.free, g.domain.totPages]).toEqual([free - 1, 65]);
    expect([give(8), give(9), give(10), give(900)]).toEqual(new Array(4).fill(GNTST_general_error));
    expect(give(8, 999)).toBe(GNTST_bad_domain);
    grant(g, 11, 0, 0, GTF_accept_transfer);
    g.domain.maxPages = 65;
    expect(give(11)).toBe(GNTST_general_error);
    g.domain.maxPages = 1000;
    const taken: number[] = [];
    while (host.allocator.free > 0) taken.push(host.allocator.allocate(0));
    expect(give(11)).toBe(GNTST_no_device_space);
    for (const other of taken) host.allocator.release(other);
    expect([host.allocator.free, g.domain.totPages]).toEqual([free - 1, 65]);
    expect(books(machine)).toEqual([]);
  });

  test('HV-GNT-31: one that is mapped or not the caller’s is a bad page; other refusals lose the frame', () => {
    const [g, to, machine] = pair();
    expect(transfer(g, g.mfn(20), to.domid, 8)).toBe(GNTST_bad_page);
    expect(transfer(g, to.mfn(20), to.domid, 8)).toBe(GNTST_bad_page);
    expect(transfer(g, 2 ** 52, to.domid, 8)).toBe(GNTST_bad_page);
    expect(g.domain.totPages).toBe(64);
    expect(transfer(g, loose(g, 20), 999, 8)).toBe(GNTST_bad_domain);
    expect(transfer(g, loose(g, 21), to.domid, 8)).toBe(GNTST_general_error);
    expect(transfer(g, loose(g, 22), to.domid, 900)).toBe(GNTST_general_error);
    grant(to, 8, g.domid, 0, GTF_accept_transfer);
    to.domain.maxPages = 64;
    expect(transfer(g, loose(g, 23), to.domid, 8)).toBe(GNTST_general_error);
    expect(entryFlags(to, 8)).toBe(GTF_accept_transfer);
    expect(g.domain.totPages).toBe(60);
    expect(books(machine)).toEqual([]);
  });
});

describe('the end of a domain', () => {
  test('HV-GNT-40: what it had mapped is let go', () => {
    const [g, back, machine] = pair();
    grant(g, 8, back.domid, g.mfn(20));
    grant(g, 9, back.domid, g.mfn(21));
    map(back, g.domid, 8, GNTMAP_host_map | GNTMAP_device_map);
    map(back, g.domid, 9, GNTMAP_host_map | GNTMAP_readonly, va(31));
    machine.xen.domctl.destroyDomain(back.domid);
    expect([entryFlags(g, 8), entryFlags(g, 9), g.domain.grants.inUse]).toEqual([1, 1, 0]);
    expect(machine.xen.domains.has(back.domid)).toBe(false);
    expect(books(machine)).toEqual([]);
  });

  test('HV-GNT-41: what others have mapped of it stays until they let go', () => {
    const [g, back, machine] = pair();
    grant(g, 8, back.domid, g.mfn(20));
    g.words(va(20), 20);
    const { handle } = map(back, g.domid, 8, GNTMAP_host_map);
    machine.xen.domctl.destroyDomain(g.domid);
    expect(machine.xen.domains.has(g.domid)).toBe(true);
    expect(back.ld32(va(30))).toBe(20);
    expect(map(back, g.domid, 8, GNTMAP_host_map, va(31)).status).toBe(GNTST_bad_domain);
    expect(books(machine)).toEqual([]);
    expect(unmap(back, handle)).toBe(GNTST_okay);
    expect(machine.xen.domains.has(g.domid)).toBe(false);
    expect(books(machine)).toEqual([]);
  });

  test('HV-GNT-42: a mapping outlives the granter’s number: another domain that has it since is left alone', () => {
    const [g, back, machine] = pair();
    grant(g, 8, back.domid, g.mfn(20));
    map(back, g.domid, 8, GNTMAP_host_map);
    // Overwritten: the frame is let go, the handle is not.
    back.call(14, va(30), 0, 2);
    machine.xen.domctl.destroyDomain(g.domid);
    expect(machine.xen.domains.has(g.domid)).toBe(false);
    const { domctl } = machine.xen;
    domctl.createDomain({ handle: new Uint8Array(16), maxVcpus: 1, engine: idle, domid: g.domid });
    domctl.destroyDomain(back.domid);
    expect(machine.xen.domains.get(g.domid)?.grants.inUse).toBe(0);
    expect(books(machine)).toEqual([]);
  });
});
