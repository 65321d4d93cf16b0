/*
 * A network back end that says what it likes to a domain of Xen 2, on a whole machine: responses in any order, of any size, with any frame
 * of the host's as the page that was received.
 */
import { createHash } from 'node:crypto';
import {
  CMSG_NETIF_FE,
  CMSG_NETIF_FE_INTERFACE_CONNECT,
  netif_fe_interface_connect,
  XEN2_NETIF_RING_SIZE,
  xen2_netif_rx_response,
  xen2_netif_rx_ring,
  xen2_netif_tx_response,
  xen2_netif_tx_ring,
} from '@port-xen/abi';
import type { FrameMapping } from '@port-xen/hypervisor';
import { BytesMemory } from '@port-xen/layout';
import { memoryDisk } from '@tooling/testbed';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { randomBytes, xen2Guest } from '../cycle.ts';
import { NetWorld, type Traveller } from '../net/net-world.ts';

const PAGE = 4096;
const SLOT = xen2_netif_rx_response.size;
const TX = xen2_netif_tx_ring.offset;
const RX = xen2_netif_rx_ring.offset;

/** A domain's rings, mapped behind the real back end's back. */
class Rings {
  readonly tx: FrameMapping;
  readonly rx: FrameMapping;
  readonly #who: Traveller;

  constructor(who: Traveller, { tx, rx }: { readonly tx: number; readonly rx: number }) {
    const { dom0 } = who.host.hv;
    this.#who = who;
    this.tx = dom0.mapFrame(who.domid, tx, false);
    this.rx = dom0.mapFrame(who.domid, rx, false);
  }

  #next(ring: FrameMapping, at: { readonly resp_prod: number; readonly ring: number }): number {
    const produced = ring.memory.ld32(at.resp_prod);
    ring.memory.st32(at.resp_prod, produced + 1);
    return at.ring + (produced & (XEN2_NETIF_RING_SIZE - 1)) * SLOT;
  }

  deliver(fields: { id: number; addr: number; status: number }): void {
    Object.assign(xen2_netif_rx_response.at(this.rx.memory, this.#next(this.rx, RX)), fields);
  }

  answer(fields: { id: number; status: number }): void {
    Object.assign(xen2_netif_tx_response.at(this.tx.memory, this.#next(this.tx, TX)), fields);
  }

  /** The guest looks. */
  kick(): void {
    const { dom0 } = this.#who.host.hv;
    for (let port = 1; port < 1024; port++) {
      if (dom0.evtchn.status(port)?.dom === this.#who.domid) dom0.notify(port);
    }
  }

  unmap(): void {
    this.tx.unmap();
    this.rx.unmap();
  }
}

/** What INTERFACE_CONNECT said last. */
const ringFrames = (world: NetWorld) => {
  const frames = { tx: 0, rx: 0 };
  world.sim.trace.listen((kind, _domid, [what, type, subtype, , , said]) => {
    if (kind !== 'ring' || what !== 'ctrl-request' || type !== CMSG_NETIF_FE) return;
    if (subtype !== CMSG_NETIF_FE_INTERFACE_CONNECT) return;
    const payload = new BytesMemory(Uint8Array.from(String(said).split('.'), Number));
    const connect = netif_fe_interface_connect.at(payload, 0);
    frames.tx = connect.tx_shmem_frame;
    frames.rx = connect.rx_shmem_frame;
  });
  return frames;
};

const id = fc.oneof(fc.nat(255), fc.nat(0xffff));
const deed = fc.oneof(
  fc.record({
    kind: fc.constant('deliver' as const),
    id,
    /** One of the host's, or anything. */
    frame: fc.oneof(
      fc.record({ ofHost: fc.noBias(fc.nat(2 ** 20)) }),
      fc.record({ any: fc.nat(2 ** 30) }),
    ),
    offset: fc.nat(PAGE - 1),
    status: fc.oneof(fc.nat(PAGE), fc.integer({ min: -0x8000, max: 0x7fff })),
  }),
  fc.record({
    kind: fc.constant('own' as const),
    id: fc.nat(255),
    /** Which of the domain's own frames. */
    frame: fc.noBias(fc.nat(2 ** 20)),
  }),
  fc.record({ kind: fc.constant('give' as const), id: fc.nat(255), length: fc.nat(PAGE) }),
  fc.record({
    kind: fc.constant('answer' as const),
    id,
    status: fc.integer({ min: -4, max: 4 }),
  }),
  fc.record({
    kind: fc.constant('word' as const),
    ring: fc.constantFrom('tx' as const, 'rx' as const),
    at: fc.constantFrom(0, 4, 8, 12),
    word: fc.oneof(fc.nat(600), fc.integer()),
  }),
);

/** A server whose back end is played here, and what it is to hold out through. */
const besieged = () => {
  const disk = randomBytes(8192, 3);
  const world = new NetWorld({ guest: xen2Guest, host: () => ({ interface: 'xen-2.0' }) });
  const frames = ringFrames(world);
  const disks = { xvda: memoryDisk(disk) };
  const server = world.boot('server', { address: 1, program: 'httpd /dev/xbd0', disks });
  world.untilPrinted(server, 'port 80');
  world.untilPrinted(server, 'connected, port');
  world.runFor(10e6);
  const rings = new Rings(server, frames);
  const { host, frames: total } = server.host.hv;
  const first = host.memory.firstMfn;
  const owned = Array.from({ length: total }, (_, i) => first + i).filter(
    (mfn) => host.ownerOf(mfn)?.domid === server.domid,
  );
  const lives = (): void => {
    rings.kick();
    world.runFor(5e6);
    expect([server.ended, server.text.includes('panic')]).toEqual([undefined, false]);
  };
  /** It is saved, and works on a sound host; nothing is lost. */
  const works = (): void => {
    rings.unmap();
    const image = world.save(server);
    if (image === undefined) throw new Error(server.text);
    world.restore(image);
    world.runFor(50e6);
    // Every page is there, but for those that the next back end has.
    const { totPages } = server.host.hv.domctl.getDomainInfo(server.domid);
    expect(totPages).toBe(16 * 256 - XEN2_NETIF_RING_SIZE);
    const client = world.boot('client', { address: 2, program: 'httpget http://10.9.0.1/' });
    expect(world.untilEnded(client)).toContain(createHash('sha256').update(disk).digest('hex'));
    expect(world.audit()).toEqual([]);
  };
  return { server, rings, owned, first, total, lives, works };
};

test('XENNET-23: whatever a back end of Xen 2 says, the kernel lives, and on a sound host its network works and nothing is lost', () => {
  fc.assert(
    fc.property(fc.array(fc.array(deed, { maxLength: 30 }), { maxLength: 6 }), (rounds) => {
      const { server, rings, owned, first, total, lives, works } = besieged();
      const { dom0 } = server.host.hv;
      for (const deeds of rounds) {
        for (const d of deeds) {
          if (d.kind === 'word') rings[d.ring].memory.st32(d.at, d.word);
          if (d.kind === 'answer') rings.answer(d);
          if (d.kind === 'deliver') {
            const mfn = 'any' in d.frame ? d.frame.any : first + (d.frame.ofHost % total);
            rings.deliver({ id: d.id, addr: mfn * PAGE + d.offset, status: d.status });
          }
          if (d.kind === 'own') {
            const own = owned[d.frame % owned.length] as number;
            rings.deliver({ id: d.id, addr: own * PAGE, status: 60 });
          }
          if (d.kind === 'give') {
            const mfn = dom0.reassignPage(server.domid, new Uint8Array(d.length).fill(0xff));
            rings.deliver({ id: d.id, addr: Math.max(0, mfn) * PAGE, status: d.length });
          }
        }
        lives();
      }
      works();
    }),
    { numRuns: 8 },
  );
});

test('XENNET-23: whichever of the frames that a domain owns is said to have come, the kernel lives and none is lost', () => {
  const { server, rings, owned, lives, works } = besieged();
  owned.forEach((mfn, i) => {
    rings.deliver({ id: i % XEN2_NETIF_RING_SIZE, addr: mfn * PAGE, status: 60 });
    if (i % XEN2_NETIF_RING_SIZE === XEN2_NETIF_RING_SIZE - 1) lives();
  });
  lives();
  expect(server.text).toMatch(/xennet0: the back end sent 60 bytes at machine address \d+, where/);
  works();
});
