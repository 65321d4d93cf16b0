/*
 * The driver over the controller interface between a back end and a controller that do what the test says. Its memory is an array, its pmap a
 * table, its stack a list: whatever is in a ring, it is the driver alone that looks.
 */
import {
  NETIF_INTERFACE_STATUS_CLOSED,
  NETIF_INTERFACE_STATUS_CONNECTED,
  NETIF_INTERFACE_STATUS_DISCONNECTED,
  XEN2_NETIF_RING_SIZE,
  xen2_netif_rx_response,
  xen2_netif_rx_ring,
  xen2_netif_tx_request,
  xen2_netif_tx_response,
  xen2_netif_tx_ring,
} from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { netif_data, XennetCtrlIf, type XennetCtrlIfParts } from '../src/index.ts';

const PAGE = 4096;
const DATA = 0;
const POOL = 64 * PAGE;
const PAGES = 400;
const MBUF = POOL + 300 * PAGE;
const MAC = Uint8Array.of(0, 0x16, 0x3e, 0, 0, 1);
const PORT = 7;
/** Frames that the domain has at first: pfn and this. */
const FIRST_MFN = 1000;
/** Xen's own frame. */
const SHARED_INFO_MFN = 2000;
const SHARED_INFO = -PAGE;
/** Frames that Xen does not let the domain map: another's, or one of its tables. */
const isForbidden = (mfn: number): boolean => mfn % 7 === 3;

/** An interface that is connected, and all that it sees. */
const driver = () => {
  const memory = new BytesMemory(new Uint8Array((64 + PAGES) * PAGE));
  const p2m = new Map<number, number>();
  const mapped = new Map<number, number>();
  const received: Uint8Array[] = [];
  const freed: number[] = [];
  const said: string[] = [];
  const assigned: number[] = [];
  let used = 0;
  let up = false;
  const ifnet = {
    if_flags: 0,
    if_capenable: 0,
    if_mtu: 0,
    if_lladdr: MAC,
    if_ierrors: 0,
    if_oerrors: 0,
  };
  for (let pfn = 0; pfn < 64 + PAGES; pfn++) {
    p2m.set(pfn, FIRST_MFN + pfn);
    mapped.set(pfn, FIRST_MFN + pfn);
  }
  const pfnOf = (va: number): number => Math.floor(va / PAGE);
  const parts = {
    cpu: { memory, spend: () => {}, sym: () => 1 },
    kern: {
      spl: { sharedInfo: SHARED_INFO },
      msgbuf: { printf: (text: string) => said.push(text) },
      sched: { wakeup: () => {}, create: () => {} },
      softint: { schedule: () => {}, establish: () => 1 },
      autoconf: {
        attach: () => ({ address: 1 }),
        pmfRegister: () => {},
        pendingDecr: () => {},
      },
    },
    evtchn: {
      nameOf: (port: number) => (port === 3 ? 'somebody' : ''),
      setHandler: () => {},
      enable: () => {},
      mask: () => {},
      removeHandler: () => {},
      close: () => {},
      notify: () => {},
    },
    pmap: {
      extract: (_: number, va: number) => (mapped.has(pfnOf(va)) ? va : -1),
      mfnOf: (pa: number) => p2m.get(pfnOf(pa)) ?? -1,
      kremove: (va: number) => mapped.delete(pfnOf(va)),
      kreplaceMa: (va: number, mfn: number) => mapped.set(pfnOf(va), mfn),
      nrPages: 64 + PAGES,
      paOf: (mfn: number) => ([...p2m].find(([, other]) => other === mfn)?.[0] ?? -1) * PAGE,
      extractMfn: (_: number, va: number) => (va === SHARED_INFO ? SHARED_INFO_MFN : -1),
      tryReplaceMa: (va: number, mfn: number) => {
        if (isForbidden(mfn)) return false;
        mapped.set(pfnOf(va), mfn);
        return true;
      },
      reservation: {
        give: (pfns: readonly number[]) => {
          for (const pfn of pfns) {
            expect(p2m.get(pfn), 'a page is given once').not.toBe(-1);
            p2m.set(pfn, -1);
          }
        },
        take: (pfns: readonly number[]) => {
          for (const pfn of pfns) p2m.set(pfn, 5000 + pfn);
          return pfns.length;
        },
        assign: (pfn: number, mfn: number) => {
          expect(p2m.get(pfn), 'a frame is taken for a page that has none').toBe(-1);
          expect([...p2m.values()], 'no frame is two pages').not.toContain(mfn);
          expect(isForbidden(mfn) || mfn === SHARED_INFO_MFN).toBe(false);
          p2m.set(pfn, mfn);
          assigned.push(mfn);
        },
      },
    },
    uvm: {
      kmAlloc: (pages: number) => {
        const at = POOL + used * PAGE;
        used += pages;
        return at;
      },
    },
    ctrlIf: { registerReceiver: () => true, sendResponse: () => true },
    stack: {
      parts: {
        ifnets: { at: () => ifnet, attach: () => 1 },
        mbufs: {
          at: (m: number) => ({ m_next: 0, m_data: m, m_len: 100, m_pktlen: 100, m_csum: 0 }),
          freem: (m: number) => freed.push(m),
          fromBytes: (bytes: Uint8Array) => {
            received.push(bytes);
            return 1;
          },
          toBytes: () => new Uint8Array(0),
        },
      },
      etherInput: () => {},
      linkState: (_: number, is: boolean) => {
        up = is;
      },
      ready: () => {},
    },
  };
  const net = new XennetCtrlIf(DATA, parts as unknown as XennetCtrlIfParts);
  const sc = net.create(0, MAC, 0);
  const tell = (status: number, port = 0): void => net.statusChanged(sc, status, port, MAC);
  const join = (): void => {
    tell(NETIF_INTERFACE_STATUS_DISCONNECTED);
    sc.nt_wanted = 0;
    tell(NETIF_INTERFACE_STATUS_CONNECTED, PORT);
  };
  join();
  const pages = { rx: sc.nt_rx.page, tx: sc.nt_tx.page };
  const out = () =>
    Array.from({ length: XEN2_NETIF_RING_SIZE }, (_, id) => net.rx.pages.isOut(sc, id)).filter(
      Boolean,
    ).length;
  return {
    memory,
    net,
    sc,
    tell,
    join,
    pages,
    out,
    received,
    freed,
    said,
    assigned,
    ifnet,
    isUp: () => up,
  };
};

type Driver = ReturnType<typeof driver>;

/** The back end's response in a slot of the receive ring, and a frame for everybody in the page. */
const put = (
  { memory, pages, sc }: Driver,
  slot: number,
  id: number,
  mfn: number,
  status: number,
): void => {
  const at = pages.rx + xen2_netif_rx_ring.offset.ring + slot * xen2_netif_rx_response.size;
  const response = xen2_netif_rx_response.at(memory, at);
  response.addr = mfn * PAGE;
  response.id = id;
  response.status = status;
  if (id >= 0 && id < XEN2_NETIF_RING_SIZE) memory.st8(sc.sc_rx_pages + id * PAGE, 0xff);
};

const publish = ({ memory, pages, net, sc }: Driver, count: number): void => {
  memory.st32(pages.rx + xen2_netif_rx_ring.offset.resp_prod, count);
  net.serve(sc);
};

test('XENNET-20: every receive id has given its frame away, and what comes is in a frame of the back end’s', () => {
  const d = driver();
  expect(d.isUp()).toBe(true);
  expect(d.out()).toBe(XEN2_NETIF_RING_SIZE);
  put(d, 0, 9, 777, 60);
  publish(d, 1);
  expect(d.assigned).toEqual([777]);
  expect(d.received.map(({ length }) => length)).toEqual([60]);
  // And its page is posted again, without its frame.
  expect(d.out()).toBe(XEN2_NETIF_RING_SIZE);
  expect(d.sc.nt_rx.req_prod).toBe(XEN2_NETIF_RING_SIZE + 1);
});

test('XENNET-20: a packet is one request with its machine address, and is the driver’s until it is answered', () => {
  const d = driver();
  expect(d.net.tx.output(d.sc, MBUF + 256)).toBe(0);
  const at = d.pages.tx + xen2_netif_tx_ring.offset.ring;
  const { addr, id, size } = xen2_netif_tx_request.at(d.memory, at);
  expect([addr, id, size]).toEqual([(FIRST_MFN + MBUF / PAGE) * PAGE + 256, 0, 100]);
  expect(d.freed).toEqual([]);
  const response = xen2_netif_tx_response.at(d.memory, at);
  response.id = 0;
  response.status = 0;
  d.memory.st32(d.pages.tx + xen2_netif_tx_ring.offset.resp_prod, 1);
  d.net.serve(d.sc);
  expect(d.freed).toEqual([MBUF + 256]);
});

test('XENNET-20: a full ring stops the stack with ENOBUFS, and drops nothing that it took', () => {
  const d = driver();
  const results = Array.from({ length: XEN2_NETIF_RING_SIZE + 1 }, () =>
    d.net.tx.output(d.sc, MBUF),
  );
  expect(results.filter((error) => error === 0)).toHaveLength(XEN2_NETIF_RING_SIZE);
  expect(results.at(-1)).toBe(55);
  expect(d.sc.nt_busy).toBe(XEN2_NETIF_RING_SIZE);
});

describe('XENNET-21: over a suspend', () => {
  test('what came before the back end let go is taken in, what was being sent is dropped once', () => {
    const d = driver();
    d.net.tx.output(d.sc, MBUF);
    put(d, 0, 0, 800, 60);
    d.memory.st32(d.pages.rx + xen2_netif_rx_ring.offset.resp_prod, 1);
    d.net.letGo(d.sc);
    expect(d.received).toHaveLength(1);
    expect(d.freed).toEqual([MBUF]);
    expect(d.net.tx.output(d.sc, MBUF)).toBe(50);
  });

  test('the rings of a restored domain are not looked at: their frames are another host’s', () => {
    const d = driver();
    d.net.letGo(d.sc);
    put(d, 0, 0, 800, 60);
    d.memory.st32(d.pages.rx + xen2_netif_rx_ring.offset.resp_prod, 1);
    d.net.softintr();
    expect(d.assigned).toEqual([]);
    d.join();
    expect(d.assigned).toEqual([]);
    expect(d.out()).toBe(XEN2_NETIF_RING_SIZE);
    put(d, 0, 3, 900, 60);
    publish(d, 1);
    expect(d.assigned).toEqual([900]);
  });

  test('on a host without the interface its pages have frames again', () => {
    const d = driver();
    d.net.letGo(d.sc);
    d.net.absent(d.sc);
    expect(d.out()).toBe(0);
    expect(d.isUp()).toBe(false);
  });
});

test('XENNET-22: a controller that says out of turn that it is connected, or on a port that is somebody’s, is not believed', () => {
  const d = driver();
  d.tell(NETIF_INTERFACE_STATUS_CONNECTED, 12);
  expect(d.sc.nt_evtchn).toBe(PORT);
  d.tell(NETIF_INTERFACE_STATUS_DISCONNECTED);
  d.tell(NETIF_INTERFACE_STATUS_CONNECTED, 12);
  expect(d.sc.nt_evtchn).toBe(0);
  d.sc.nt_wanted = 0;
  for (const port of [0, 3, 1024]) d.tell(NETIF_INTERFACE_STATUS_CONNECTED, port);
  expect(d.sc.nt_evtchn).toBe(0);
  d.tell(NETIF_INTERFACE_STATUS_CLOSED);
  expect(d.out()).toBe(0);
});

test.each([
  ['another domain’s frame, or a table', 801],
  ['a page that the domain has', FIRST_MFN + 5],
  ['Xen’s own page', SHARED_INFO_MFN],
  ['no frame', 0],
  ['a frame beyond 32 bits', 2 ** 20],
])('XENNET-23: a response that names %s brings nothing, and its id is posted again', (_, mfn) => {
  const d = driver();
  put(d, 0, 9, mfn, 60);
  publish(d, 1);
  expect([d.assigned, d.received, d.ifnet.if_ierrors]).toEqual([[], [], 1]);
  expect(d.said.join('')).toContain('where there is no page for it');
  expect(d.out()).toBe(XEN2_NETIF_RING_SIZE);
  put(d, 1, 9, 777, 60);
  publish(d, 2);
  expect(d.assigned).toEqual([777]);
});

test('XENNET-23: a frame that came twice is a page once', () => {
  const d = driver();
  put(d, 0, 9, 777, 60);
  put(d, 1, 10, 777, 60);
  publish(d, 2);
  expect(d.assigned).toEqual([777]);
});

test('XENNET-23: whatever is in the rings, each page is given once and taken once, and the driver ends', () => {
  const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
  const small = fc.oneof(fc.integer({ min: 0, max: 600 }), word);
  const slots = fc.array(
    fc.record({
      id: small,
      mfn: fc.integer({ min: 0, max: 2 ** 21 }),
      status: fc.integer({ min: -3, max: 5000 }),
    }),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(
      fc.array(fc.record({ slots, rx: small, tx: small }), { maxLength: 4 }),
      (rounds) => {
        const d = driver();
        for (const { slots: some, rx, tx } of rounds) {
          const first = d.sc.nt_rx.resp_cons;
          for (const [i, { id, mfn, status }] of some.entries()) {
            put(d, (first + i) % XEN2_NETIF_RING_SIZE, id, mfn, status);
          }
          d.net.tx.output(d.sc, MBUF);
          d.memory.st32(d.pages.tx + xen2_netif_tx_ring.offset.resp_prod, tx);
          publish(d, rx);
          d.tell(NETIF_INTERFACE_STATUS_DISCONNECTED);
          d.join();
        }
        expect(d.out()).toBe(XEN2_NETIF_RING_SIZE);
        expect(d.sc.nt_busy).toBe(0);
        // A breach is told of once for each connection.
        const told = d.said.filter((text) => text.includes('the back end sent')).length;
        expect(told).toBeLessThanOrEqual(rounds.length);
        expect(netif_data.size).toBeLessThan(POOL);
      },
    ),
    { numRuns: 300 },
  );
});
