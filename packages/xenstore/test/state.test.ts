import { XS_READ, XS_WRITE } from '@port-xen/abi';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeState,
  encodeMessage,
  encodeState,
  OutgoingQueue,
  type StateRecord,
  Xenstored,
} from '../src/index.ts';
import { C_STATE } from './c-state.ts';
import { codeOf, Guest, makeWorld } from './world.ts';

const text = fc.string({ unit: fc.constantFrom('a', 'b', '/', '-'), maxLength: 20 });
const bytes = fc.uint8Array({ maxLength: 30 });
const domid = fc.nat(0x7fef);
const word = fc.nat(0xffffffff);
const permissions = fc.array(fc.record({ access: fc.constantFrom('n', 'r', 'w', 'b'), domid }), {
  maxLength: 4,
});
const record: fc.Arbitrary<StateRecord> = fc.oneof(
  fc.record({ type: fc.constant('global'), socketFd: fc.integer(), eventChannelFd: fc.integer() }),
  fc.record({
    type: fc.constant('connection'),
    id: word,
    peer: fc.oneof(
      fc.record({ kind: fc.constant('socket'), fd: fc.integer() }),
      fc.record({
        kind: fc.constant('ring'),
        domid,
        target: fc.option(domid, { nil: undefined }),
        port: word,
      }),
    ),
    input: bytes,
    output: bytes,
    partial: fc.constant(0),
  }),
  fc.record({
    type: fc.constant('watch'),
    connection: word,
    path: text,
    token: text,
    depth: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.nat(0xffff)),
  }),
  fc.record({ type: fc.constant('transaction'), connection: word, id: word }),
  fc.record({
    type: fc.constant('node'),
    connection: fc.integer({ min: 1, max: 0xffffffff }),
    transaction: word,
    access: fc.constantFrom('read', 'read-self', 'written', 'removed'),
    tells: fc.constantFrom('nobody', 'exact'),
    path: text,
    value: bytes,
    permissions,
  }),
);

const noSuccessor = { ring: () => undefined, socket: () => undefined };

describe('state stream', () => {
  test('STATE-1: what is written is read back', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 20 }), (records) => {
        expect(decodeState(encodeState(records))).toEqual(records);
      }),
    );
  });

  test('STATE-2: any bytes are read or refused in a sentence', () => {
    const damaged = fc
      .tuple(
        fc.array(record, { maxLength: 5 }),
        fc.array(fc.tuple(fc.nat(300), fc.nat(255))),
        fc.nat(300),
      )
      .map(([records, changes, cut]) => {
        const stream = encodeState(records);
        for (const [at, byte] of changes) if (at < stream.length) stream[at] = byte;
        return cut < stream.length ? stream.subarray(0, cut) : stream;
      });
    const refused = (work: () => void): void => {
      try {
        work();
      } catch (error) {
        expect(String(error)).toMatch(/^Error: expected .+, found /s);
      }
    };
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), damaged), (stream) => {
        refused(() => decodeState(stream));
        refused(() => Xenstored.restore({ sim: makeWorld().sim }, stream, noSuccessor));
      }),
      { numRuns: 2000 },
    );
  });

  test('STATE-3: nodes, order, permissions, watches and accounts go over', () => {
    const world = makeWorld();
    const { dom0, daemon, sim } = world;
    for (const name of ['z', 'a', 'm']) dom0.write(`/dir/${name}`, name);
    dom0.setPermissions('/dir/a', [
      { domid: 4, access: 'n' },
      { domid: 5, access: 'b' },
    ]);
    dom0.setPermissions('@releaseDomain', [{ domid: 0, access: 'r' }]);
    dom0.introduce(4, 1, 9);
    const next = Xenstored.restore({ sim }, daemon.saveState(), noSuccessor);
    expect(next.dump()).toEqual(daemon.dump());
    expect(next.counters().domains).toEqual(daemon.counters().domains);
    expect(next.connect(0).isDomainIntroduced(4)).toBe(true);
    expect(next.connect(0).directory('/dir')).toEqual(['z', 'a', 'm']);
    const nodesOf = (of: Xenstored) => decodeState(of.saveState()).filter((r) => r.type === 'node');
    expect(nodesOf(next)).toEqual(nodesOf(daemon));
  });

  test('STATE-4: a guest notices nothing: watches, half a request, answers that wait', () => {
    const { dom0, daemon, sim, settle } = makeWorld();
    dom0.mkdir('/local/domain/1');
    dom0.setPermissions('/local/domain/1', [{ domid: 1, access: 'n' }]);
    dom0.write('/local/domain/1/big', 'b'.repeat(3000));
    dom0.setPermissions('/local/domain/1/big', [{ domid: 1, access: 'n' }]);
    const guest = new Guest(daemon, 1);
    guest.send(4, 'w\0t\0', 1);
    settle();
    expect(guest.replies()).toEqual(['4 OK|', '15 w|t|']);
    guest.send(XS_READ, 'big\0', 2);
    const write = encodeMessage(XS_WRITE, 3, 0, new TextEncoder().encode('w/x\0value'));
    guest.put(write.subarray(0, 20));
    settle();
    const state = daemon.saveState();
    const next = Xenstored.restore({ sim, latency_ns: 1000 }, state, {
      ...noSuccessor,
      ring: () => ({ ring: guest.memory, notify: () => undefined }),
    });
    guest.serveBy(next);
    guest.put(write.subarray(20));
    for (let i = 0; i < 6; i++) {
      settle();
      guest.take();
    }
    expect(guest.replies()).toEqual([`2 ${'b'.repeat(3000)}`, '15 w/x|t|', '11 OK|']);
    expect(next.connect(0).read('/local/domain/1/w/x')).toBe('value');
  });

  test('STATE-5: open transactions go on, and conflict as they would have', () => {
    const { dom0, daemon, sim } = makeWorld();
    dom0.write('/a', '1');
    dom0.write('/gone/x', '1');
    const replies: string[] = [];
    const outlet = {
      reply: (type: number, _id: number, _tx: number, payload: Uint8Array) => {
        replies.push(`${type} ${String.fromCharCode(...payload).replaceAll('\0', '|')}`);
      },
      event: () => true,
    };
    let served = daemon.serve(0, outlet);
    const ask = (type: number, tx: number, payload: string): string => {
      served.request({
        type,
        requestId: 1,
        transactionId: tx,
        payload: new TextEncoder().encode(payload),
      });
      return replies.pop() as string;
    };
    for (let tx = 1; tx <= 4; tx++) expect(ask(6, 0, '\0')).toBe(`6 ${tx}|`);
    ask(11, 1, '/a\x00from 1');
    ask(11, 1, '/new/deep\x00from 1');
    ask(13, 1, '/gone\0');
    ask(2, 2, '/a\0');
    ask(11, 2, '/b\x00from 2');
    ask(2, 3, '/c\0');
    ask(11, 3, '/d\x00from 3');
    dom0.write('/c', 'made meanwhile');
    ask(11, 4, '/gone/y\x00from 4');
    const socket = { fd: 7, input: new Uint8Array(0), output: new Uint8Array(0), partial: 0 };
    const state = daemon.saveState(new Map([[served.id, socket]]));
    const next = Xenstored.restore({ sim }, state, {
      ...noSuccessor,
      socket: (fd, _input, _output, connection) => {
        expect(fd).toBe(7);
        served = connection;
        return outlet;
      },
    });
    expect(next.counters().transactions).toBe(4);
    expect(ask(2, 1, '/new/deep\0')).toBe('2 from 1');
    expect(ask(7, 1, 'T\0')).toBe('7 OK|');
    expect(ask(7, 2, 'T\0')).toBe('16 EAGAIN|');
    expect(ask(7, 3, 'T\0')).toBe('16 EAGAIN|');
    expect(ask(7, 4, 'T\0')).toBe('16 EAGAIN|');
    const client = next.connect(0);
    expect(client.read('/a')).toBe('from 1');
    expect(codeOf(() => client.read('/gone'))).toBe('ENOENT');
    expect(client.tryRead('/b')).toBeUndefined();
    expect(client.control('check')).toBe('OK');
  });

  test('STATE-6: what has not gone out is kept apart from what has begun to', () => {
    const queue = new OutgoingQueue(1000);
    queue.reply(2, 1, 0, Uint8Array.of(1, 2, 3));
    queue.event('/a', 't');
    queue.advance(10);
    const { bytes: rest, partial } = queue.pending();
    expect([rest.length, partial]).toEqual([9 + 16 + 5, 9]);
    const again = new OutgoingQueue(1000);
    again.restore(rest);
    expect(again.pending().bytes).toEqual(rest);
  });

  test('STATE-7: what C xenstored wrote is read, and written as it was', () => {
    expect(encodeState(decodeState(C_STATE))).toEqual(C_STATE);
    const sockets: number[] = [];
    const replies: string[] = [];
    const { sim } = makeWorld();
    const daemon = Xenstored.restore({ sim }, C_STATE, {
      ...noSuccessor,
      socket: (fd, _input, output) => {
        sockets.push(fd);
        if (output.length > 0) replies.push(String.fromCharCode(...output.subarray(16)));
        return { reply: () => undefined, event: () => true };
      },
    });
    expect([sockets, replies]).toEqual([[8, 9], ['OK\0']]);
    expect(daemon.counters().watches).toBe(1);
    const dom0 = daemon.connect(0);
    expect([dom0.read('/a'), dom0.read('/b/c')]).toEqual(['1', 'two words']);
    expect(dom0.getPermissions('/b')).toEqual([
      { domid: 0, access: 'n' },
      { domid: 5, access: 'r' },
    ]);
    expect(codeOf(() => daemon.connect(5).read('/b'))).toBe('EACCES');
  });
});
