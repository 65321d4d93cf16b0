/*
 * All clients' requests come through here, one after the other, each handled entirely before the next. The order of
 * what a client is sent: events that its own request caused, the reply, the first event of a watch just set.
 */
import { XENSTORE_PAYLOAD_MAX, XS_ERROR, XS_WATCH_EVENT } from '@port-xen/abi';
import type { Sim } from '@port-xen/sim';
import { Announcements } from './announcements.ts';
import type { Answer, Call, Daemon } from './call.ts';
import { Connection, type Outlet } from './connection.ts';
import { type Controlled, controlAnswer, type Replace } from './control.ts';
import { type DomainHost, type DomainOptions, DomainTable } from './domain-table.ts';
import { latin1, payloadOf } from './latin1.ts';
import { NodeRequests } from './node-requests.ts';
import type { Quotas } from './quotas.ts';
import { REQUESTS } from './request-table.ts';
import { Store } from './store.ts';
import { StoreView } from './store-view.ts';
import type { View } from './view.ts';
import { Watches } from './watches.ts';
import type { Message } from './wire.ts';
import type { ErrorName } from './xenstore-error.ts';

const OK = payloadOf(['OK']);

/** The daemon's tables, and what is done to them for a message. */
export class RequestHandler implements Daemon, DomainHost, Controlled {
  readonly store: Store = new Store();
  readonly watches: Watches<Connection> = new Watches();
  readonly announcements: Announcements = new Announcements(this.store, this.watches);
  readonly connections: Map<number, Connection> = new Map();
  quotas: Quotas;
  readonly replace: Replace | undefined;
  successor: Controlled['successor'] = { program: undefined, args: [] };
  readonly domains: DomainTable;
  logging = false;
  readonly #view: View = new StoreView(this.store, this.announcements);
  readonly #sim: Sim;
  #nextConnection = 1;
  #nextOrder = 1;

  constructor(quotas: Quotas, options: DomainOptions, replace: Replace | undefined) {
    this.quotas = quotas;
    this.replace = replace;
    this.#sim = options.sim;
    this.domains = new DomainTable(options, this);
  }

  /** A new connection of `domid`, which may do anything if that is dom0. */
  open(domid: number, outlet: Outlet): Connection {
    const id = this.#nextConnection++;
    const traced = this.#traced(domid, outlet);
    const connection = new Connection(
      id,
      domid,
      domid === 0,
      traced,
      (of) => this.domains.get(of)?.target,
    );
    this.connections.set(id, connection);
    return connection;
  }

  close(connection: Connection): void {
    if (connection.closed) return;
    this.forget(connection);
    connection.closed = true;
    this.connections.delete(connection.id);
  }

  closeAll(domid: number): void {
    for (const connection of [...this.connections.values()]) {
      if (connection.domid === domid) this.close(connection);
    }
  }

  nextOrder(): number {
    return this.#nextOrder++;
  }

  forget(connection: Connection): void {
    const { accounts } = this.store;
    for (const watch of connection.watches.values()) this.watches.delete(watch);
    accounts.add(connection.domid, 'watches', -connection.watches.size);
    connection.watches.clear();
    accounts.add(connection.domid, 'transactions', -connection.transactions.size);
    connection.transactions.clear();
  }

  control(words: readonly string[]): string | ErrorName {
    return controlAnswer(this, words);
  }

  /** Handles one message of a connection; the reply and all events go to outlets. */
  handle(connection: Connection, message: Message): void {
    const { type, requestId, transactionId, payload } = message;
    this.#report(connection.domid, 'in', type, requestId, transactionId, payload);
    const call = this.#call(connection, message);
    const answer = typeof call === 'string' ? call : this.#answer(call, type);
    const { outlet } = connection;
    if (typeof answer === 'string') {
      outlet.reply(XS_ERROR, requestId, transactionId, payloadOf([answer]));
    } else if (answer !== undefined && answer.length > XENSTORE_PAYLOAD_MAX) {
      outlet.reply(XS_ERROR, requestId, transactionId, payloadOf(['E2BIG']));
    } else outlet.reply(type, requestId, transactionId, answer ?? OK);
    if (typeof call !== 'string') call.afterwards?.();
  }

  #answer(call: Call, type: number): Answer {
    return REQUESTS.get(type)?.handle(call) ?? undefined;
  }

  #call(connection: Connection, message: Message): Call | ErrorName {
    const request = REQUESTS.get(message.type);
    if (request === undefined) return 'ENOSYS';
    if (request.privileged && !connection.privileged) return 'EACCES';
    const id = request.noTransaction ? 0 : message.transactionId;
    const transaction = id === 0 ? undefined : connection.transactions.get(id);
    if (id !== 0 && transaction === undefined) return 'ENOENT';
    const view = transaction ?? this.#view;
    return {
      daemon: this,
      connection,
      payload: message.payload,
      transaction,
      nodes: new NodeRequests(view, connection, this.quotas),
      afterwards: undefined,
    };
  }

  #traced(domid: number, outlet: Outlet): Outlet {
    return {
      reply: (type, requestId, transactionId, payload) => {
        this.#report(domid, 'out', type, requestId, transactionId, payload);
        outlet.reply(type, requestId, transactionId, payload);
      },
      event: (path, token) => {
        if (path.length + token.length + 2 > XENSTORE_PAYLOAD_MAX) return false;
        const sent = outlet.event(path, token);
        if (sent) this.#report(domid, 'out', XS_WATCH_EVENT, 0, 0, payloadOf([path, token]));
        return sent;
      },
    };
  }

  #report(
    domid: number,
    direction: 'in' | 'out',
    type: number,
    requestId: number,
    transactionId: number,
    payload: Uint8Array,
  ): void {
    const { trace } = this.#sim;
    if (this.logging) {
      this.#sim.tell(
        'xenstored',
        `domain ${domid} ${direction} type ${type} request ${requestId} transaction ${transactionId}, ${payload.length} bytes`,
      );
    }
    if (!trace.on) return;
    trace.emit('xenstore', domid, direction, type, requestId, transactionId, latin1(payload));
  }
}
