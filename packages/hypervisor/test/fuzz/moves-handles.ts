/*
 * What an attacker tries of event channels and grants, against the other guest and against itself.
 */
import * as abi from '@port-xen/abi';
import { ARGS, va } from '../cpu/machine.ts';
import { type Attacker, GAMES, MAX_PORT } from './attacker.ts';
import { type Move, numberOf } from './move.ts';

const REFS = 64;
/** Of one maptrack frame. */
const HANDLES = 256;

const port = (g: Attacker): number => (g.oneIn(20) ? g.wild() : 1 + g.below(30));

const evtchn = (
  name: keyof typeof abi,
  weight: number,
  argue: (g: Attacker) => number[],
): Move => ({
  name: `event_channel_op ${name}`,
  weight,
  run: (g) => {
    g.putWords(ARGS, ...argue(g), 0, 0, 0, 0);
    return g.call(abi.__HYPERVISOR_event_channel_op, numberOf(name), g.at());
  },
});

const remote = (g: Attacker): number =>
  g.oneIn(4) ? g.someDomid() : g.pick([0x7ff0, g.peer?.domid ?? 0]);

/** A reference: as a rule one that the other granted to it, as a xenstore would tell. */
const granted = (g: Attacker): number => {
  if (g.oneIn(20)) return g.wild();
  const first = g.below(REFS);
  if (g.oneIn(4)) return first;
  for (let i = 0; i < REFS; i++) {
    const ref = (first + i) % REFS;
    const at = g.peer?.domain.grants.addressOf(ref) ?? -1;
    const word = at < 0 ? 0 : g.xen.memory.ld32(at);
    if ((word & 3) === abi.GTF_permit_access && word >>> 16 === g.domid) return ref;
  }
  return first;
};

/** The status of an operation at ARGS + `at`, when the hypercall itself went well. */
const statusOf = (g: Attacker, rc: number, at: number): number =>
  rc !== 0 ? rc : (g.get(ARGS + at) << 16) >> 16;

const grantOp = (
  name: keyof typeof abi,
  weight: number,
  at: number,
  prepare: (g: Attacker) => void,
  after?: (g: Attacker) => void,
): Move => ({
  name: `grant_table_op ${name}`,
  weight,
  // Commands about versions have errors of their own, and no status.
  grant: !name.endsWith('version'),
  run: (g) => {
    prepare(g);
    const count = g.oneIn(40) ? g.below(4) - 1 : 1;
    const rc = g.call(abi.__HYPERVISOR_grant_table_op, numberOf(name), g.at(), count);
    const status = statusOf(g, rc, at);
    if (status === 0 && count === 1) after?.(g);
    return status;
  },
});

const mapFlags = (g: Attacker): number =>
  g.oneIn(12)
    ? g.random.next()
    : g.pick([2, 2, 2, 6, 1, 5, 3, 7, 0x12]) | (g.oneIn(6) ? g.below(8) << 16 : 0);

const prepareMap = (g: Attacker): void => {
  const flags = mapFlags(g);
  const hostAddr =
    (flags & abi.GNTMAP_contains_pte) !== 0
      ? g.mfn(3) * 4096 + 8 * (32 + g.below(16))
      : g.windowVa();
  g.put(ARGS, hostAddr, 0, 0, 0);
  g.putWords(ARGS + 8, flags, granted(g), g.oneIn(8) ? g.someDomid() : (g.peer?.domid ?? 0), 0);
};

const afterMap = (g: Attacker): void => {
  g.mappings.push({ handle: g.get(ARGS + 20), hostAddr: g.get64(ARGS), bus: g.get64(ARGS + 24) });
};

/** A mapping that it has, or something else. */
const held = (g: Attacker) => {
  if (g.mappings.length === 0 || g.oneIn(8)) {
    return { handle: g.wild(), hostAddr: g.windowVa(), bus: g.anyMfn() * 4096 };
  }
  const i = g.below(g.mappings.length);
  return (g.oneIn(3) ? g.mappings[i] : g.mappings.splice(i, 1)[0]) as (typeof g.mappings)[number];
};

const side = (g: Attacker, isRef: boolean): { u: number; rest: number } => {
  const domid = isRef
    ? g.oneIn(8)
      ? g.someDomid()
      : (g.peer?.domid ?? 0)
    : g.oneIn(20)
      ? g.someDomid()
      : 0x7ff0;
  const u = isRef ? granted(g) : g.oneIn(12) ? g.anyMfn() : g.mfn(g.dataPfn());
  return { u, rest: domid | (g.pick([0, 64, 4032, g.below(4200)]) << 16) };
};

export const HANDLE_MOVES: readonly Move[] = [
  evtchn('EVTCHNOP_alloc_unbound', 4, (g) => [
    (g.oneIn(9) ? g.someDomid() : 0x7ff0) | (remote(g) << 16),
  ]),
  {
    name: 'event_channel_op EVTCHNOP_bind_interdomain',
    weight: 6,
    run: (g) => {
      // The port that the other, or it itself, has for it: known as a xenstore would tell.
      const dom = g.oneIn(3) ? 0x7ff0 : (g.peer?.domid ?? 0);
      const owner = dom === 0x7ff0 ? g : g.peer;
      let wanted = port(g);
      for (let p = 1; p < 40 && !g.oneIn(6); p++) {
        const found = owner?.domain.evtchn.status(p);
        if (found?.status !== abi.EVTCHNSTAT_unbound || found.dom !== g.domid) continue;
        wanted = p;
        break;
      }
      g.putWords(ARGS, dom, wanted, 0);
      return g.call(abi.__HYPERVISOR_event_channel_op, abi.EVTCHNOP_bind_interdomain, g.at());
    },
  },
  evtchn('EVTCHNOP_bind_virq', 3, (g) => [
    g.oneIn(8) ? g.wild() : g.pick([0, 1, 7, 13, 3]),
    g.below(3),
  ]),
  evtchn('EVTCHNOP_bind_ipi', 2, (g) => [g.below(3)]),
  evtchn('EVTCHNOP_bind_pirq', 1, (g) => [g.below(60), 0]),
  evtchn('EVTCHNOP_close', 8, (g) => [port(g)]),
  evtchn('EVTCHNOP_send', 8, (g) => [port(g)]),
  evtchn('EVTCHNOP_status', 3, (g) => [g.oneIn(9) ? g.someDomid() : 0x7ff0, port(g)]),
  evtchn('EVTCHNOP_bind_vcpu', 3, (g) => [port(g), g.below(3)]),
  evtchn('EVTCHNOP_unmask', 3, (g) => [port(g)]),
  evtchn('EVTCHNOP_reset', 0.1, (g) => [g.oneIn(4) ? g.someDomid() : 0x7ff0]),
  evtchn('EVTCHNOP_init_control', 1, (g) => [g.wild(), 0]),
  {
    name: 'event_channel_op_compat',
    weight: 1,
    run: (g) => {
      g.putWords(ARGS, g.below(12), port(g), g.below(4), 0, 0, 0, 0);
      return g.call(abi.__HYPERVISOR_event_channel_op_compat, g.at());
    },
  },
  {
    name: 'write a grant entry',
    weight: 14,
    run: (g) => {
      const at = g.domain.grants.addressOf(g.below(REFS));
      if (at < 0) return -1;
      const { memory } = g.xen;
      const frame = g.oneIn(10) ? g.anyMfn() : g.mfn(g.oneIn(6) ? g.pfn() : g.dataPfn());
      const flags = g.oneIn(10) ? g.below(65536) : g.pick([1, 1, 1, 1, 5, 2, 2, 0]);
      memory.st32(at + 4, frame);
      memory.st32(at, flags | ((g.oneIn(10) ? g.someDomid() : (g.peer?.domid ?? 0)) << 16));
      return 0;
    },
  },
  grantOp('GNTTABOP_map_grant_ref', 12, 18, prepareMap, afterMap),
  grantOp('GNTTABOP_unmap_grant_ref', 12, 20, (g) => {
    const { handle, hostAddr, bus } = held(g);
    g.put(ARGS, g.oneIn(6) ? 0 : hostAddr, g.oneIn(3) ? 0 : bus, 0);
    g.putWords(ARGS + 16, handle, 0);
  }),
  grantOp('GNTTABOP_unmap_and_replace', 3, 20, (g) => {
    const { handle, hostAddr } = held(g);
    g.put(ARGS, hostAddr, g.oneIn(5) ? 0 : g.windowVa(), 0);
    g.putWords(ARGS + 16, handle, 0);
  }),
  grantOp('GNTTABOP_copy', 10, 36, (g) => {
    const flags = g.below(4);
    const source = side(g, (flags & 1) !== 0);
    const dest = side(g, (flags & 2) !== 0);
    g.put(ARGS, source.u, 0, dest.u, 0, 0);
    g.putWords(ARGS + 8, source.rest);
    g.putWords(ARGS + 24, dest.rest);
    g.putWords(ARGS + 32, g.below(128) | ((g.oneIn(30) ? g.below(65536) : flags) << 16), 0);
  }),
  {
    name: 'grant_table_op GNTTABOP_transfer',
    weight: 5,
    grant: true,
    run: (g) => {
      const mfn = g.extra.length > 0 && !g.oneIn(3) ? (g.extra.pop() as number) : g.anyMfn();
      let ref = granted(g);
      for (let r = 0; r < REFS && !g.oneIn(6); r++) {
        const at = g.peer?.domain.grants.addressOf(r) ?? -1;
        const word = at < 0 ? 0 : g.xen.memory.ld32(at);
        if ((word & 0xffff) !== abi.GTF_accept_transfer || word >>> 16 !== g.domid) continue;
        ref = r;
        break;
      }
      g.put(ARGS, mfn, 0, 0);
      g.putWords(ARGS + 8, g.oneIn(9) ? g.someDomid() : (g.peer?.domid ?? 0), ref);
      const rc = g.call(abi.__HYPERVISOR_grant_table_op, abi.GNTTABOP_transfer, g.at(), 1);
      const status = statusOf(g, rc, 16);
      if (status === 0) g.peer?.extra.push(mfn);
      return status;
    },
  },
  grantOp('GNTTABOP_setup_table', 2, 8, (g) => {
    g.put(ARGS, 0, 0, g.oneIn(9) ? g.anyVa() : va(13));
    g.putWords(ARGS, g.oneIn(6) ? g.someDomid() : 0x7ff0, g.below(5));
  }),
  grantOp('GNTTABOP_query_size', 1, 12, (g) => {
    g.putWords(ARGS, g.oneIn(6) ? g.someDomid() : 0x7ff0, 0, 0, 0);
  }),
  grantOp('GNTTABOP_set_version', 1, 8, (g) => {
    g.putWords(ARGS, g.pick([1, 1, 2, g.wild()]), 0, 0);
  }),
  grantOp('GNTTABOP_get_version', 1, 8, (g) => {
    g.putWords(ARGS, g.oneIn(6) ? g.someDomid() : 0x7ff0, 0, 0);
  }),
  grantOp('GNTTABOP_get_status_frames', 1, 6, (g) => {
    g.putWords(ARGS, g.oneIn(2) ? 0 : 1, g.oneIn(6) ? g.someDomid() : 0x7ff0, 0, 0);
  }),
  {
    name: 'take every port',
    weight: 0.05,
    run: (g) => {
      for (let i = 0; i < 100; i++) {
        g.putWords(ARGS, 0x7ff0 | (0x7ff0 << 16), 0);
        const rc = g.call(abi.__HYPERVISOR_event_channel_op, abi.EVTCHNOP_alloc_unbound, ARGS);
        // As many as the domain may have, and no more.
        if (rc === -abi.XEN_ENOSPC) return g.domain.evtchn.count === MAX_PORT ? 0 : -1;
        if (rc !== 0) return rc;
      }
      return -1;
    },
  },
  {
    name: 'take every handle',
    weight: 0.1,
    grant: true,
    run: (g) => {
      const ref = granted(g);
      for (let i = 0; i < 300; i++) {
        g.put(ARGS, 0, 0, 0, 0);
        g.putWords(
          ARGS + 8,
          abi.GNTMAP_device_map | abi.GNTMAP_readonly,
          ref,
          g.peer?.domid ?? 0,
          0,
        );
        const rc = g.call(abi.__HYPERVISOR_grant_table_op, abi.GNTTABOP_map_grant_ref, ARGS, 1);
        const status = statusOf(g, rc, 18);
        if (status === abi.GNTST_no_device_space)
          return g.domain.maptrack.count === HANDLES ? 0 : -1;
        if (status !== 0) return status;
        afterMap(g);
      }
      return -1;
    },
  },
  {
    name: 'map the grant table',
    weight: 1,
    run: (g) => {
      const frame = g.pick(g.domain.grants.frames);
      const at = va(GAMES.first + g.below(GAMES.count));
      return g.call(abi.__HYPERVISOR_update_va_mapping, at, frame * 4096 + 3, 2);
    },
  },
  {
    name: 'map shared_info',
    weight: 1,
    run: (g) => {
      const at = va(GAMES.first + g.below(GAMES.count));
      return g.call(abi.__HYPERVISOR_update_va_mapping, at, g.domain.sharedInfo + 3, 2);
    },
  },
];
