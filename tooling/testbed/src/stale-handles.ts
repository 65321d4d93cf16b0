/*
 * Watches a restored domain for handles of its former life. The first use of one ends the run with a sentence: what it is, what
 * it was, which step should have dropped it, who used it and when.
 *
 *     frames      in page-table updates, table pins, reservations and the suspend hypercall; in a grant that a back end maps
 *     ports       in event-channel operations; below the host's first port, or known of old and no channel now
 *     references  in what a back end maps or copies, and finds not granted
 *     domids      in paths that the domain sends to xenstore
 *
 * Hosts give handles out so that none of two lives is the same (`firstPort`, `firstDomid`, slots of frames), and the guest
 * chooses references likewise; a handle that is stale and good all the same is not seen.
 */
import {
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_memory_op,
  __HYPERVISOR_mmu_update,
  __HYPERVISOR_mmuext_op,
  __HYPERVISOR_sched_op,
  __HYPERVISOR_update_va_mapping,
  EVTCHNOP_bind_vcpu,
  EVTCHNOP_close,
  EVTCHNOP_send,
  EVTCHNOP_unmask,
  MMUEXT_NEW_BASEPTR,
  MMUEXT_NEW_USER_BASEPTR,
  MMUEXT_PIN_L1_TABLE,
  MMUEXT_PIN_L4_TABLE,
  MMUEXT_UNPIN_TABLE,
  mmu_update,
  mmuext_op,
  SCHEDOP_shutdown,
  XENMEM_decrease_reservation,
  xen_memory_reservation,
} from '@port-xen/abi';
import { ldI64, type Memory } from '@port-xen/layout';
import type { FormerLife, Provenance } from './former-life.ts';
import type { TestHost } from './test-host.ts';

const PAGE = 4096;
/** Bits of a PTE above its frame. */
const PTE_SPAN = 2 ** 52;
const PRESENT = 1;

const EVTCHN_NAMES = new Map<number, string>([
  [EVTCHNOP_send, 'EVTCHNOP_send'],
  [EVTCHNOP_close, 'EVTCHNOP_close'],
  [EVTCHNOP_unmask, 'EVTCHNOP_unmask'],
  [EVTCHNOP_bind_vcpu, 'EVTCHNOP_bind_vcpu'],
]);

/** A handle of a former life was used. */
export class StaleHandle extends Error {}

export class StaleHandles {
  readonly #host: TestHost;
  readonly #former: FormerLife;
  readonly #domid: number;

  /** @param domid the domain's number in this life */
  constructor(host: TestHost, former: FormerLife, domid: number) {
    this.#host = host;
    this.#former = former;
    this.#domid = domid;
    host.sim.trace.listen((kind, of, particulars) => {
      if (of !== domid) return;
      if (kind === 'hypercall') this.#hypercall(particulars as readonly number[]);
      else if (kind === 'xenstore') this.#request(particulars);
    });
  }

  /** A back end could not map or copy what a reference grants. */
  refused(ref: number): void {
    const { hv } = this.#host;
    const provenance = this.#former.references.get(ref);
    const address = hv.domains.get(this.#domid)?.grants.addressOf(ref) ?? -1;
    const frame = address < 0 ? 0 : hv.memory.ld32(address + 4) >>> 0;
    const granted = address >= 0 && (hv.memory.ld16(address) & 3) !== 0;
    if (granted) this.#frame(frame, `grant ${ref}`);
    else if (provenance !== undefined) {
      this.#stop(`reference ${ref}`, provenance, 'a request to a back end');
    }
  }

  /** A back end could not bind a port. */
  unbindable(port: number): void {
    const provenance = this.#former.ports.get(port);
    if (provenance !== undefined) this.#stop(`port ${port}`, provenance, 'a node for a back end');
  }

  #stop(what: string, { was, dropper }: Provenance, user: string): never {
    throw new StaleHandle(
      `stale ${what}, used by ${user} in domain ${this.#domid} at event ${this.#host.sim.events}: it was ${was}; expected it to be dropped: ${dropper}`,
    );
  }

  #frame(mfn: number, user: string): void {
    const { firstMfn, frames } = this.#former;
    if (mfn < firstMfn || mfn >= firstMfn + frames) return;
    // Frame 0 is what is written for no frame at all.
    if (mfn === 0) return;
    this.#stop(`mfn 0x${mfn.toString(16)}`, this.#former.frame(mfn), user);
  }

  get #memory(): Memory | undefined {
    return this.#host.hv.domains.get(this.#domid)?.vcpus[0]?.memory;
  }

  #hypercall([number, first, second, third, , , result]: readonly number[]): void {
    const memory = this.#memory;
    if (memory === undefined || first === undefined || second === undefined) return;
    switch (number) {
      case __HYPERVISOR_mmu_update:
        this.#updates(memory, first, second);
        break;
      case __HYPERVISOR_update_va_mapping:
        this.#entry(second, 'update_va_mapping');
        break;
      case __HYPERVISOR_mmuext_op:
        this.#extended(memory, first, second);
        break;
      case __HYPERVISOR_memory_op:
        if (first === XENMEM_decrease_reservation) this.#reservation(memory, second);
        break;
      case __HYPERVISOR_sched_op:
        if (first === SCHEDOP_shutdown) this.#frame(third ?? 0, 'SCHEDOP_shutdown');
        break;
      case __HYPERVISOR_event_channel_op:
        this.#channel(memory, first, second, result ?? 0);
        break;
    }
  }

  /** A PTE as a Number: its flags may be rounded off, its frame is not. */
  #entry(pte: number, user: string): void {
    if (pte >= 0 && pte < Number.MAX_SAFE_INTEGER && pte % 2 !== PRESENT) return;
    this.#frame(Math.floor((((pte % PTE_SPAN) + PTE_SPAN) % PTE_SPAN) / PAGE), user);
  }

  #updates(memory: Memory, address: number, count: number): void {
    for (let i = 0; i < (count & 0x7fffffff); i++) {
      const at = address + i * mmu_update.size;
      const { val } = mmu_update.offset;
      this.#frame(Math.floor(ldI64(memory, at) / PAGE), 'mmu_update, for the table');
      if ((memory.ld32(at + val) & PRESENT) === 0) continue;
      const high = memory.ld32(at + val + 4) & 0xfffff;
      this.#frame(high * 2 ** 20 + (memory.ld32(at + val) >>> 12), 'mmu_update, for the entry');
    }
  }

  #extended(memory: Memory, address: number, count: number): void {
    for (let i = 0; i < (count & 0x7fffffff); i++) {
      const op = mmuext_op.at(memory, address + i * mmuext_op.size);
      const pins = op.cmd >= MMUEXT_PIN_L1_TABLE && op.cmd <= MMUEXT_PIN_L4_TABLE;
      const roots = [MMUEXT_UNPIN_TABLE, MMUEXT_NEW_BASEPTR, MMUEXT_NEW_USER_BASEPTR];
      if (pins || roots.includes(op.cmd)) this.#frame(op.arg1.mfn, `mmuext_op ${op.cmd}`);
    }
  }

  #reservation(memory: Memory, address: number): void {
    const { extent_start, nr_extents } = xen_memory_reservation.offset;
    const list = ldI64(memory, address + extent_start);
    for (let i = 0; i < ldI64(memory, address + nr_extents); i++) {
      this.#frame(ldI64(memory, list + 8 * i), 'XENMEM_decrease_reservation');
    }
  }

  #channel(memory: Memory, command: number, address: number, result: number): void {
    const name = EVTCHN_NAMES.get(command);
    if (name === undefined) return;
    const port = memory.ld32(address) >>> 0;
    const { hv } = this.#host;
    const before = this.#former.ports.get(port);
    const unknown = port < hv.firstPort;
    if (!unknown && (before === undefined || result >= 0)) return;
    const provenance = before ?? {
      was: `a port of domain ${this.#former.domid} on the host of slot ${this.#former.slot}`,
      dropper: 'evtchn.reset forgets every port',
    };
    this.#stop(`port ${port}`, provenance, name);
  }

  #request([direction, , , , payload]: readonly (number | string)[]): void {
    const { domid, slot } = this.#former;
    if (direction !== 'in' || domid === this.#domid) return;
    const path = new RegExp(
      `/[^\\0]*(?:local/domain|backend/\\w+)/${domid}(?:/[^\\0]*)?(?=\\0|$)`,
    ).exec(String(payload));
    if (path === null) return;
    this.#stop(
      `domid ${domid}`,
      {
        was: `the domain's on the host of slot ${slot}`,
        dropper: "xenbus_resume reads every device's `backend` anew",
      },
      `a request about ${path[0]}`,
    );
  }
}
