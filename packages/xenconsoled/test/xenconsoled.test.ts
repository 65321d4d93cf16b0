import { xencons_interface } from '@port-xen/abi';
import { XenError } from '@port-xen/hypervisor';
import { BytesMemory } from '@port-xen/layout';
import { Sim } from '@port-xen/sim';
import { Xenstored } from '@port-xen/xenstore';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Xenconsoled } from '../src/index.ts';

const EINVAL = 22;
const encode = (text: string) => new TextEncoder().encode(text);

/** A host of plain parts: pages by MFN, ports, and domains that are a line in a list. */
const world = () => {
  const sim = new Sim(1);
  const pages = new Map<number, BytesMemory>();
  const unbound = new Set<string>();
  const handlers = new Map<number, () => void>();
  const bound = new Map<string, number>();
  const notified: number[] = [];
  const domains = new Map<number, { shutdown: boolean }>();
  const shutdownListeners: ((domid: number, reason: number) => void)[] = [];
  const story: string[] = [];
  const held = { mapped: 0 };
  const taken = new Map<number, number>();
  let nextPort = 1;
  sim.trace.listenToStory((_time, _subsystem, text) => story.push(text));
  const xenstored = new Xenstored({ sim });
  const store = xenstored.connect(0);
  const out = new Map<number, string>();
  const consoled = new Xenconsoled({
    xenstored,
    output: (domid, bytes) =>
      out.set(domid, (out.get(domid) ?? '') + new TextDecoder('latin1').decode(bytes)),
    onTaken: (domid, count) => taken.set(domid, (taken.get(domid) ?? 0) + count),
    hv: {
      sim,
      onDomainShutdown: (listener) => shutdownListeners.push(listener),
      domctl: {
        listDomains: () =>
          [...domains].map(([domid, { shutdown }]) => ({ domid, shutdown, dying: false })) as never,
      },
      dom0: {
        mapForeign: (domid, mfn) => {
          const memory = pages.get(mfn);
          if (memory === undefined)
            throw new XenError(EINVAL, `domain ${domid} has no frame ${mfn}`);
          held.mapped++;
          const unmap = () => {
            held.mapped--;
          };
          return { memory, bytes: memory.bytes, unmap, markDirty: () => {} };
        },
        bindInterdomain: (domid, remotePort, handler) => {
          if (!unbound.delete(`${domid} ${remotePort}`)) throw new XenError(EINVAL, 'no such port');
          handlers.set(nextPort, handler);
          bound.set(`${domid} ${remotePort}`, nextPort);
          return nextPort++;
        },
        notify: (port) => notified.push(port),
        close: (port) => handlers.delete(port),
        isBound: (port) => handlers.has(port),
      },
    },
  });
  const settle = (ns = 1_000_000) => sim.runFor(ns);
  /** As a toolstack does: introduced first, console nodes after. */
  const add = (
    domid: number,
    mfn: number,
    page = new BytesMemory(new Uint8Array(4096)),
    port = 2,
  ) => {
    domains.set(domid, { shutdown: false });
    pages.set(mfn, page);
    unbound.add(`${domid} ${port}`);
    store.introduce(domid, 0, 1);
    settle();
    store.write(`/local/domain/${domid}/console/ring-ref`, String(mfn));
    store.write(`/local/domain/${domid}/console/port`, String(port));
    settle();
    return guest(domid, page, port);
  };
  const guest = (domid: number, page: BytesMemory, port: number) => {
    const intf = xencons_interface.at(page, 0);
    const kick = () => handlers.get(bound.get(`${domid} ${port}`) ?? 0)?.();
    return {
      page,
      intf,
      kick,
      print: (text: string) => {
        for (const byte of encode(text)) {
          page.st8(1024 + (intf.out_prod & 2047), byte);
          intf.out_prod += 1;
        }
      },
      read: () => {
        let text = '';
        while (intf.in_cons !== intf.in_prod) {
          text += String.fromCharCode(page.ld8(intf.in_cons & 1023));
          intf.in_cons += 1;
        }
        return text;
      },
    };
  };
  const remove = (domid: number) => {
    domains.delete(domid);
    xenstored.domainDied(domid);
    settle();
  };
  const shutDown = (domid: number) => {
    (domains.get(domid) as { shutdown: boolean }).shutdown = true;
    for (const listener of shutdownListeners) listener(domid, 2);
  };
  return {
    sim,
    consoled,
    store,
    out,
    story,
    held,
    taken,
    handlers,
    notified,
    domains,
    add,
    remove,
    settle,
    shutDown,
    xenstored,
  };
};

test('XENCONSOLED-5: a console is taken up once its nodes are there, with what waits in its ring', () => {
  const w = world();
  const page = new BytesMemory(new Uint8Array(4096));
  const intf = xencons_interface.at(page, 0);
  intf.out_cons = intf.out_prod = 0xffff_fffe;
  page.write(1024 + 2046, encode('he'));
  page.write(1024, encode('llo'));
  intf.out_prod = 3;
  const guest = w.add(5, 100, page);
  expect(w.out.get(5)).toBe('hello');
  guest.print(' world');
  guest.kick();
  expect(w.out.get(5)).toBe('hello world');
  expect(intf.out_cons).toBe(intf.out_prod);
  expect(w.held.mapped).toBe(1);
});

test('XENCONSOLED-2: what is typed is put into the ring, and the rest when the guest has read', () => {
  const w = world();
  const guest = w.add(5, 100);
  const text = Array.from({ length: 500 }, (_, i) => `line ${i}\n`).join('');
  expect(w.consoled.input(5, encode(text))).toBe(text.length);
  w.settle();
  let got = guest.read();
  expect(got.length).toBe(1024);
  while (got.length < text.length) {
    guest.kick();
    const more = guest.read();
    expect(more.length).toBeGreaterThan(0);
    got += more;
  }
  expect(got).toBe(text);
  expect(w.consoled.input(6, encode('nobody'))).toBe(0);
});

test('XENCONSOLED-5: what was typed before the console was connected is not lost', () => {
  const w = world();
  w.domains.set(5, { shutdown: false });
  w.store.introduce(5, 0, 1);
  w.settle();
  expect(w.consoled.input(5, encode('early'))).toBe(5);
  expect(w.add(5, 100).read()).toBe('early');
});

test('XENCONSOLED-8: whoever types is told what is in the guest’s ring: the rest is not lost with the guest', () => {
  const w = world();
  const guest = w.add(5, 100);
  w.consoled.input(5, encode('x'.repeat(1500)));
  expect(w.taken.get(5)).toBe(undefined);
  w.settle();
  expect(w.taken.get(5)).toBe(1024);
  expect(guest.read().length).toBe(1024);
  w.shutDown(5);
  guest.kick();
  w.settle();
  w.remove(5);
  expect(w.taken.get(5)).toBe(1024);
});

test('XENCONSOLED-6: output is taken when the domain shuts down, and input waits until it runs on', () => {
  const w = world();
  const guest = w.add(5, 100);
  guest.print('last words');
  w.shutDown(5);
  expect(w.out.get(5)).toBe('last words');
  w.consoled.input(5, encode('date\n'));
  w.settle(10_000_000);
  expect(guest.read()).toBe('');
  (w.domains.get(5) as { shutdown: boolean }).shutdown = false;
  w.settle(2_000_000);
  expect(guest.read()).toBe('date\n');
});

test('XENCONSOLED-6: a byte is printed where it was written and not again where its page is restored', () => {
  const old = world();
  const guest = old.add(5, 100);
  guest.print('one\n');
  guest.kick();
  guest.print('two\n');
  old.shutDown(5);
  const image = new BytesMemory(guest.page.bytes.slice());
  old.remove(5);
  const other = world();
  const restored = other.add(9, 700, image);
  restored.print('three\n');
  restored.kick();
  expect([old.out.get(5), other.out.get(9)]).toEqual(['one\ntwo\n', 'three\n']);
});

test('XENCONSOLED-7: a domain that is gone leaves nothing held, and its last output is out', () => {
  const w = world();
  const watches = w.xenstored.counters().watches;
  const guest = w.add(5, 100);
  guest.print('bye');
  w.remove(5);
  expect(w.out.get(5)).toBe('bye');
  expect(w.held.mapped).toBe(0);
  expect(w.handlers.size).toBe(0);
  expect(w.xenstored.counters().watches).toBe(watches);
});

test('XENCONSOLED-5: other numbers in the same directory are another page and another port', () => {
  const w = world();
  const guest = w.add(5, 100);
  guest.print('old');
  const again = w.add(5, 101, new BytesMemory(new Uint8Array(4096)), 3);
  again.print(' new');
  again.kick();
  expect(w.out.get(5)).toBe('old new');
  expect(w.held.mapped).toBe(1);
  expect(w.handlers.size).toBe(1);
});

test('XENCONSOLED-4: indices that cannot be stop that console, are told of once, and no other notices', () => {
  const w = world();
  const hostile = w.add(5, 100);
  const good = w.add(6, 101);
  hostile.intf.out_prod = 5000;
  hostile.kick();
  hostile.kick();
  w.consoled.input(5, encode('x'));
  w.settle();
  expect(w.story.filter((line) => line.includes('stopped'))).toEqual([
    "domain 5: expected at most 2048 bytes in the console's out ring, found consumer 0 and producer 5000; its console is stopped",
  ]);
  expect(w.held.mapped).toBe(1);
  good.print('well');
  good.kick();
  expect(w.out.get(6)).toBe('well');
  w.remove(5);
  w.remove(6);
  expect(w.held.mapped).toBe(0);
});

test('XENCONSOLED-4: whatever one guest and its nodes say, in any order, nothing throws and the other is served', () => {
  const word = fc.oneof(fc.integer({ min: -3000, max: 3000 }), fc.integer());
  const deed = fc.oneof(
    fc.record({ at: fc.constantFrom(3072, 3076, 3080, 3084), word }),
    fc.record({
      name: fc.constantFrom('ring-ref', 'port'),
      value: fc.oneof(
        fc.constantFrom('100', '101', '2', '3', '', '-1', '0x64'),
        fc.string({ unit: 'binary-ascii' }),
      ),
    }),
    fc.record({ typed: fc.uint8Array({ maxLength: 2000 }) }),
    fc.record({ gone: fc.constant(true) }),
  );
  fc.assert(
    fc.property(fc.array(deed, { maxLength: 30 }), (deeds) => {
      const w = world();
      const hostile = w.add(5, 100);
      const good = w.add(6, 200);
      for (const d of deeds) {
        if ('at' in d) hostile.page.st32(d.at, d.word);
        if ('name' in d) w.store.write(`/local/domain/5/console/${d.name}`, d.value);
        if ('typed' in d) w.consoled.input(5, d.typed);
        if ('gone' in d) w.remove(5);
        hostile.kick();
        w.settle(10_000);
      }
      const events = w.sim.events;
      w.settle(5_000_000);
      expect(w.sim.events - events).toBeLessThan(20);
      good.print('fine');
      good.kick();
      expect(w.out.get(6)).toBe('fine');
      w.remove(5);
      w.remove(6);
      expect([w.held.mapped, w.handlers.size]).toEqual([0, 0]);
    }),
  );
});

test('XENCONSOLED-5: ports that were reset and made anew have their old numbers, and are bound again', () => {
  const w = world();
  const guest = w.add(5, 100);
  w.handlers.clear();
  guest.print('told nobody');
  guest.kick();
  expect(w.out.get(5)).toBeUndefined();
  w.add(5, 100, guest.page);
  expect(w.out.get(5)).toBe('told nobody');
  guest.print(', then everybody');
  guest.kick();
  expect(w.out.get(5)).toBe('told nobody, then everybody');
  expect(w.held.mapped).toBe(1);
  expect(w.handlers.size).toBe(1);
});
