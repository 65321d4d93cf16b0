import {
  XS_DIRECTORY,
  XS_GET_PERMS,
  XS_MKDIR,
  XS_READ,
  XS_RM,
  XS_SET_PERMS,
  XS_TRANSACTION_END,
  XS_TRANSACTION_START,
  XS_UNWATCH,
  XS_WATCH,
  XS_WRITE,
} from '@port-xen/abi';
import { Sim } from '@port-xen/sim';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Outlet, payloadOf, type ServedConnection, Xenstored } from '../src/index.ts';

const CLIENTS = 3;

/** Three sockets at a daemon, which may be replaced. */
class Served {
  readonly told: string[] = [];
  /** The transaction that the first client began last; a successor may number anew. */
  transaction = 0;
  #daemon = new Xenstored({ sim: new Sim(1) });
  #connections: ServedConnection[];

  constructor() {
    this.#connections = Array.from({ length: CLIENTS }, (_, i) =>
      this.#daemon.serve(0, this.#outlet(i)),
    );
  }

  ask(who: number, type: number, tx: number, words: readonly string[]): void {
    const payload = payloadOf(words);
    const connection = this.#connections[who] as ServedConnection;
    connection.request({ type, requestId: 1, transactionId: tx, payload });
  }

  /** Everything goes on in a new daemon. */
  replace(): void {
    const nothing = new Uint8Array(0);
    const sockets = this.#connections.map(
      ({ id }, i) => [id, { fd: i, input: nothing, output: nothing, partial: 0 }] as const,
    );
    const state = this.#daemon.saveState(new Map(sockets));
    this.#daemon = Xenstored.restore({ sim: new Sim(1) }, state, {
      ring: () => undefined,
      socket: (fd, _input, _output, connection) => {
        this.#connections[fd] = connection;
        return this.#outlet(fd);
      },
    });
  }

  /** Nodes with values and permissions, and what is counted. */
  content(): unknown {
    return [this.#daemon.dump(), this.#daemon.counters()];
  }

  #outlet(i: number): Outlet {
    return {
      reply: (type, _id, _tx, payload) => {
        const text = String.fromCharCode(...payload);
        if (type === XS_TRANSACTION_START) this.transaction = Number.parseInt(text, 10);
        else this.told.push(`${i}: ${type} ${text}`);
      },
      event: (path, token) => {
        this.told.push(`${i}: event ${path} ${token}`);
        return true;
      },
    };
  }
}

const path = fc
  .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 })
  .map((names) => `/${names.join('/')}`);
const entry = fc
  .tuple(fc.constantFrom('n', 'r', 'w', 'b'), fc.nat(3))
  .map(([letter, domid]) => letter + domid);
const requests: fc.Arbitrary<readonly [type: number, words: readonly string[]]> = fc.oneof(
  ...[XS_READ, XS_DIRECTORY, XS_GET_PERMS, XS_MKDIR, XS_RM].map((type) =>
    path.map((at) => [type, [at]] as const),
  ),
  fc.tuple(path, fc.constantFrom('', '1', '2')).map((words) => [XS_WRITE, words] as const),
  fc
    .tuple(path, fc.array(entry, { minLength: 1, maxLength: 3 }))
    .map(([at, entries]) => [XS_SET_PERMS, [at, ...entries]] as const),
  fc.tuple(path, fc.constantFrom('t', 'u')).map((words) => [XS_WATCH, words] as const),
  fc.tuple(path, fc.constantFrom('t', 'u')).map((words) => [XS_UNWATCH, words] as const),
);
const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ who: fc.nat(CLIENTS - 1), request: requests }) },
  { weight: 3, arbitrary: fc.constantFrom('replace', 'begin', 'commit', 'discard') },
);

type Step = 'replace' | 'begin' | 'commit' | 'discard' | Asked;
interface Asked {
  readonly who: number;
  readonly request: readonly [type: number, words: readonly string[]];
}

/** Takes the steps with a daemon that is replaced and with one that is not: clients are told the same after each. */
const sameAsKept = (steps: readonly Step[]): void => {
  const [replaced, kept] = [new Served(), new Served()];
  // While a transaction is open only its own client changes anything: the successor's snapshot is a later one.
  let open = false;
  for (const what of steps) {
    if (what === 'replace') replaced.replace();
    for (const served of [replaced, kept]) {
      if (typeof what === 'object') {
        const { who, request } = what;
        served.ask(open ? 0 : who, request[0], open ? served.transaction : 0, request[1]);
      } else if (what === 'begin' && !open) served.ask(0, XS_TRANSACTION_START, 0, ['']);
      else if (what !== 'replace' && what !== 'begin' && open) {
        served.ask(0, XS_TRANSACTION_END, served.transaction, [what === 'commit' ? 'T' : 'F']);
      }
    }
    if (what === 'begin') open = true;
    else if (what === 'commit' || what === 'discard') open = false;
    // A successor tells of a transaction that it took over in the order of the tree.
    expect(replaced.told.splice(0).sort()).toEqual(kept.told.splice(0).sort());
  }
  if (open) {
    for (const served of [replaced, kept]) {
      served.ask(0, XS_TRANSACTION_END, served.transaction, ['T']);
    }
  }
  expect(replaced.content()).toEqual(kept.content());
};

test('STATE-8: clients of a daemon that is replaced are told what they would have been told', () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 80, size: 'max' }), sameAsKept), {
    numRuns: Number(process.env.XENSTORE_RUNS ?? 100),
  });
});

test('STATE-9: a change to a node that is removed with its parent is told to who watches above it', () => {
  const asked = (type: number, ...words: string[]): Step => ({ who: 0, request: [type, words] });
  const changed = asked(XS_SET_PERMS, '/c/c', 'n0');
  const begun = [
    asked(XS_WRITE, '/c/c', ''),
    asked(XS_WATCH, '/c', 't'),
    'begin',
    changed,
  ] as const;
  sameAsKept([...begun, asked(XS_RM, '/c'), 'replace', 'commit']);
  // It is there again, so that what is removed and what is made are both written down.
  sameAsKept([...begun, asked(XS_RM, '/c'), asked(XS_MKDIR, '/c/c'), 'replace', 'commit']);
});
