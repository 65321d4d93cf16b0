/*
 * What an attacker tries of its memory: page-table games, reservations, descriptors, and plain stores.
 */
import * as abi from '@port-xen/abi';
import { PageFault } from '@port-xen/vcpu';
import { pteHigh, pteLow } from '../../src/page-entry.ts';
import { ARGS, va } from '../cpu/machine.ts';
import { type Attacker, GAMES } from './attacker.ts';
import { type Move, numberOf } from './move.ts';

const call = (name: string, weight: number, run: (g: Attacker) => number): Move => ({
  name,
  weight,
  run,
});

/** The halves of a PTE. */
const pte = (g: Attacker, mfn: number, flags: number): [number, number] => [
  pteLow(mfn, flags) | 0,
  pteHigh(mfn) | (g.oneIn(30) ? g.random.next() | 0 : 0),
];

/** A table, and a slot of it: its own L1 as a rule. */
const entry = (g: Attacker): { mfn: number; slot: number } => {
  const table = g.oneIn(4) ? g.gamePfn() : g.pick([3, 3, 3, 2, 1, 0, 4]);
  if (table === 3) return { mfn: g.mfn(3), slot: g.oneIn(3000) ? g.below(512) : g.gamePfn() };
  const slot = g.oneIn(1500)
    ? g.pick([0, 510, 511])
    : g.pick([1, 2, 3, 255, 256, 271, 272, 400, g.below(509)]);
  return { mfn: g.oneIn(30) ? g.anyMfn() : g.mfn(table), slot };
};

const mmuUpdate = (name: string, weight: number, command: number): Move =>
  call(`mmu_update ${name}`, weight, (g) => {
    const count = g.oneIn(4) ? g.below(8) : 1;
    const words: number[] = [];
    for (let i = 0; i < count; i++) {
      const { mfn, slot } = entry(g);
      const low = Math.floor((mfn % 2 ** 20) * 4096) + slot * 8;
      words.push(low | command | (g.oneIn(50) ? g.below(8) : 0) | 0, Math.floor(mfn / 2 ** 20) | 0);
      if (command === abi.MMU_MACHPHYS_UPDATE) words.push(g.below(4000), g.oneIn(9) ? -1 : 0);
      else words.push(...pte(g, g.anyMfn(), g.pteFlags()));
    }
    g.putWords(ARGS, ...words);
    const foreign = g.oneIn(20)
      ? g.someDomid() | (g.oneIn(3) ? (g.someDomid() + 1) << 16 : 0)
      : 0x7ff0;
    return g.call(abi.__HYPERVISOR_mmu_update, g.at(), count, g.oneIn(3) ? va(13) : 0, foreign);
  });

const mmuext = (name: keyof typeof abi, weight: number, argue: (g: Attacker) => number[]): Move =>
  call(`mmuext_op ${name}`, weight, (g) => {
    g.put(ARGS, numberOf(name), ...argue(g), 0, 0);
    const foreign = g.oneIn(40) ? g.someDomid() : 0x7ff0;
    return g.call(abi.__HYPERVISOR_mmuext_op, g.at(), 1, g.oneIn(4) ? va(13) : 0, foreign);
  });

/** A plain store. @returns 0, or -EFAULT */
const store = (act: () => void): number => {
  try {
    act();
    return 0;
  } catch (error) {
    if (error instanceof PageFault) return -abi.XEN_EFAULT;
    throw error;
  }
};

/** Before a pin: makes a loose frame look like a table, as a rule. */
const prepareTable = (g: Attacker, level: number): number => {
  const pfn = g.gamePfn();
  const mfn = g.mfn(pfn);
  if (g.oneIn(3)) return g.anyMfn();
  const { host } = g.xen;
  const i = host.table.index(mfn);
  const loose = host.table.typeRefs[i] === 0 && host.table.owner[i] === g.domid;
  if (!loose || g.oneIn(4)) return mfn;
  // Through a mapping of its own, taken away again.
  if (g.call(abi.__HYPERVISOR_update_va_mapping, va(pfn), mfn * 4096 + 3, 2) !== 0) return mfn;
  const slot = 8 * g.below(509);
  const target = level === 1 ? g.ownMfn() : g.oneIn(3) ? mfn : g.mfn(g.gamePfn());
  // Where its L2 says read-only, the mapping does not help.
  if (store(() => g.vcpu.mmu.write(va(pfn), new Uint8Array(4096))) !== 0) return mfn;
  if (g.oneIn(2)) g.putWords(va(pfn) + slot, ...pte(g, target, g.pick([0x21, 0x23, 1, 3])));
  g.call(abi.__HYPERVISOR_update_va_mapping, va(pfn), 0, 2);
  return mfn;
};

const vcpuMask = (g: Attacker): number => {
  g.put(va(13), g.below(8));
  return g.oneIn(20) ? g.anyVa() : va(13);
};

const ownL4 = (g: Attacker): number => (g.oneIn(6) ? g.anyMfn() : g.mfn(g.pick([0, 0, 4])));

/** Writes a reservation. @returns the list's address */
const reservation = (g: Attacker, mfns: readonly number[], order: number): number => {
  g.put(va(13), ...mfns);
  g.put(
    ARGS,
    g.oneIn(30) ? g.anyVa() : va(13),
    mfns.length,
    order,
    g.oneIn(20) ? g.someDomid() : 0x7ff0,
  );
  return va(13);
};

/** Its own frames that nothing maps: what it may give away. */
const looseFrames = (g: Attacker, count: number): number[] =>
  Array.from({ length: count }, () => {
    if (g.extra.length > 0 && !g.oneIn(4))
      return g.extra.splice(g.below(g.extra.length), 1)[0] as number;
    return g.oneIn(6) ? g.anyMfn() : g.mfn(g.gamePfn());
  });

const take = (name: keyof typeof abi): Move =>
  call(`memory_op ${name}`, 3, (g) => {
    const count = 1 + g.below(3);
    const order = g.oneIn(12) ? g.below(11) : 0;
    reservation(
      g,
      Array.from({ length: count }, () => 2000 + g.below(90)),
      order,
    );
    const done = g.call(abi.__HYPERVISOR_memory_op, numberOf(name), g.at());
    for (let i = 0; i < done && i < count; i++) {
      const first = g.get64(va(13) + 8 * i);
      for (let k = 0; k < 2 ** order; k++) g.extra.push(first + k);
    }
    return done;
  });

const ask = (name: keyof typeof abi): Move =>
  call(`memory_op ${name}`, 1, (g) => {
    g.putWords(ARGS, g.oneIn(4) ? g.someDomid() : 0x7ff0, 0, 0, 0);
    return g.call(abi.__HYPERVISOR_memory_op, numberOf(name), g.at());
  });

export const MEMORY_MOVES: readonly Move[] = [
  mmuUpdate('MMU_NORMAL_PT_UPDATE', 12, abi.MMU_NORMAL_PT_UPDATE),
  mmuUpdate('MMU_MACHPHYS_UPDATE', 3, abi.MMU_MACHPHYS_UPDATE),
  mmuUpdate('MMU_PT_UPDATE_PRESERVE_AD', 4, abi.MMU_PT_UPDATE_PRESERVE_AD),
  mmuUpdate('MMU_PT_UPDATE_NO_TRANSLATE', 2, abi.MMU_PT_UPDATE_NO_TRANSLATE),
  call('update_va_mapping', 14, (g) => {
    const at = g.oneIn(40) ? g.anyVa() : va(g.gamePfn());
    const [low, high] = pte(g, g.anyMfn(), g.pteFlags());
    const flags = g.oneIn(8) ? g.wild() : g.pick([0, 1, 2, 5, 6]);
    return g.call(abi.__HYPERVISOR_update_va_mapping, at, high * 2 ** 32 + (low >>> 0), flags);
  }),
  call('update_va_mapping_otherdomain', 2, (g) => {
    const frame = g.anyMfn() * 4096 + g.pteFlags();
    const domid = g.someDomid();
    return g.call(abi.__HYPERVISOR_update_va_mapping_otherdomain, va(g.gamePfn()), frame, 2, domid);
  }),
  mmuext('MMUEXT_PIN_L1_TABLE', 4, (g) => [prepareTable(g, 1), 0]),
  mmuext('MMUEXT_PIN_L2_TABLE', 3, (g) => [prepareTable(g, 2), 0]),
  mmuext('MMUEXT_PIN_L3_TABLE', 3, (g) => [prepareTable(g, 3), 0]),
  mmuext('MMUEXT_PIN_L4_TABLE', 3, (g) => [prepareTable(g, 4), 0]),
  mmuext('MMUEXT_UNPIN_TABLE', 10, (g) => [g.mfn(g.oneIn(400) ? g.pick([0, 4]) : g.gamePfn()), 0]),
  mmuext('MMUEXT_NEW_BASEPTR', 2, (g) => [g.mfn(0), 0]),
  mmuext('MMUEXT_NEW_USER_BASEPTR', 3, (g) => [g.oneIn(4) ? 0 : ownL4(g), 0]),
  mmuext('MMUEXT_TLB_FLUSH_LOCAL', 1, () => [0, 0]),
  mmuext('MMUEXT_INVLPG_LOCAL', 1, (g) => [g.anyVa(), 0]),
  mmuext('MMUEXT_TLB_FLUSH_MULTI', 1, (g) => [0, vcpuMask(g)]),
  mmuext('MMUEXT_INVLPG_MULTI', 1, (g) => [g.anyVa(), vcpuMask(g)]),
  mmuext('MMUEXT_TLB_FLUSH_ALL', 1, () => [0, 0]),
  mmuext('MMUEXT_INVLPG_ALL', 1, (g) => [g.anyVa(), 0]),
  mmuext('MMUEXT_FLUSH_CACHE', 1, () => [0, 0]),
  mmuext('MMUEXT_FLUSH_CACHE_GLOBAL', 1, () => [0, 0]),
  mmuext('MMUEXT_SET_LDT', 2, (g) => [
    g.oneIn(5) ? g.anyVa() : va(g.gamePfn()),
    g.pick([0, 1, 512, 1024, g.below(9000)]),
  ]),
  mmuext('MMUEXT_CLEAR_PAGE', 2, (g) => [g.oneIn(4) ? g.anyMfn() : g.mfn(g.gamePfn()), 0]),
  mmuext('MMUEXT_COPY_PAGE', 2, (g) => [g.mfn(g.gamePfn()), g.oneIn(4) ? g.anyMfn() : g.ownMfn()]),
  mmuext('MMUEXT_MARK_SUPER', 1, (g) => [g.anyMfn(), 0]),
  mmuext('MMUEXT_UNMARK_SUPER', 1, (g) => [g.anyMfn(), 0]),
  take('XENMEM_increase_reservation'),
  take('XENMEM_populate_physmap'),
  call('memory_op XENMEM_decrease_reservation', 5, (g) => {
    const mfns = looseFrames(g, 1 + g.below(3));
    reservation(g, mfns, g.oneIn(30) ? g.below(4) : 0);
    return g.call(abi.__HYPERVISOR_memory_op, abi.XENMEM_decrease_reservation, g.at());
  }),
  call('memory_op XENMEM_exchange', 3, (g) => {
    const mfns = looseFrames(g, g.pick([1, 1, 2, 4]));
    g.put(va(13), ...mfns);
    const order = mfns.length > 1 && g.oneIn(2) ? Math.log2(mfns.length) : 0;
    const outs = mfns.length / 2 ** order;
    g.put(va(13) + 256, ...Array.from({ length: outs }, () => 3000 + g.below(90)));
    g.put(
      ARGS,
      va(13),
      mfns.length,
      0,
      0x7ff0,
      g.oneIn(30) ? g.anyVa() : va(13) + 256,
      outs,
      order,
      0x7ff0,
      g.oneIn(30) ? 1 : 0,
    );
    const rc = g.call(abi.__HYPERVISOR_memory_op, abi.XENMEM_exchange, g.at());
    if (rc !== 0)
      g.extra.push(
        ...mfns.filter((mfn) => g.xen.host.table.ownerOf(mfn) === g.domid && !g.p2m.includes(mfn)),
      );
    else {
      for (let i = 0; i < outs; i++) {
        const first = g.get64(va(13) + 256 + 8 * i);
        for (let k = 0; k < 2 ** order; k++) g.extra.push(first + k);
      }
    }
    return rc;
  }),
  ask('XENMEM_maximum_ram_page'),
  ask('XENMEM_current_reservation'),
  ask('XENMEM_maximum_reservation'),
  ask('XENMEM_maximum_gpfn'),
  ask('XENMEM_memory_map'),
  ask('XENMEM_machphys_mapping'),
  call('memory_op XENMEM_machphys_mfn_list', 1, (g) => {
    g.put(ARGS, g.below(4), g.oneIn(8) ? g.anyVa() : va(13), 0);
    return g.call(abi.__HYPERVISOR_memory_op, abi.XENMEM_machphys_mfn_list, g.at());
  }),
  call('set_gdt', 3, (g) => {
    const pages = g.below(3);
    g.put(
      ARGS,
      ...Array.from({ length: pages }, () => (g.oneIn(5) ? g.anyMfn() : g.mfn(g.gamePfn()))),
    );
    return g.call(abi.__HYPERVISOR_set_gdt, g.at(), g.oneIn(9) ? g.wild() : pages * 512);
  }),
  call('update_descriptor', 3, (g) => {
    const mfn = g.oneIn(4) ? g.anyMfn() : g.mfn(g.gamePfn());
    const descriptor = g.oneIn(3)
      ? g.wild()
      : g.pick([0, 0xffff, 0x00cf_9300, 0x00af_9b00]) * 2 ** 32 + 0xffff;
    return g.call(
      abi.__HYPERVISOR_update_descriptor,
      mfn * 4096 + 8 * g.below(512) + (g.oneIn(9) ? 4 : 0),
      descriptor,
    );
  }),
  call('store 4 bytes', 8, (g) => store(() => g.vcpu.mmu.st32(g.anyVa(), g.random.next()))),
  call('store 8 bytes', 4, (g) =>
    store(() => {
      const [low, high] = pte(g, g.anyMfn(), g.pteFlags());
      g.vcpu.mmu.write(
        va(g.gamePfn()) + 8 * g.below(512),
        new Uint8Array(Int32Array.of(low, high).buffer),
      );
    }),
  ),
  call('store 1 byte', 2, (g) => store(() => g.vcpu.mmu.st8(g.anyVa(), g.below(256)))),
  call('store a page', 1, (g) =>
    store(() => g.vcpu.mmu.write(va(g.gamePfn()), new Uint8Array(4096).fill(g.below(4)))),
  ),
  call('map a game page', 6, (g) => {
    const i = GAMES.first + g.below(GAMES.count);
    return g.call(abi.__HYPERVISOR_update_va_mapping, va(i), g.mfn(i) * 4096 + 3, 2);
  }),
  call('unmap a game page', 8, (g) =>
    g.call(abi.__HYPERVISOR_update_va_mapping, va(GAMES.first + g.below(GAMES.count)), 0, 2),
  ),
  call('empty a game table', 3, (g) => {
    const mfn = g.mfn(GAMES.first + g.below(GAMES.count));
    const words: number[] = [];
    for (let slot = 0; slot < 60; slot++) {
      words.push(
        ((mfn % 2 ** 20) * 4096 + 8 * (slot < 50 ? slot : g.below(512))) | 0,
        Math.floor(mfn / 2 ** 20),
        0,
        0,
      );
    }
    g.putWords(ARGS, ...words);
    return g.call(abi.__HYPERVISOR_mmu_update, ARGS, 60, 0, 0x7ff0);
  }),
];
