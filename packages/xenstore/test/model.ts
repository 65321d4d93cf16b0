/*
 * A naive xenstore to compare with: a plain table of paths that a transaction copies whole, and that keeps for each
 * path what changed last. Slow and obvious.
 */

/** One row of the table. */
interface Row {
  value: string;
  perms: string[];
  /** Changed by value, permissions or being made. */
  self: number;
  /** Changed by children coming or going. */
  list: number;
}
type Table = Map<string, Row>;

interface ModelWatch {
  path: string;
  shown: (path: string) => string;
  token: string;
}

interface ModelTransaction {
  base: Table;
  table: Table;
  touched: Map<
    string,
    { sees: Set<'self' | 'list' | 'tree'>; fires: boolean; exact: boolean; before?: string[] }
  >;
  redo: ((session: Session) => void)[];
  added: Map<number, number>;
  /** Domains it gives permissions to, and whether one of them has died since. */
  named: Set<number>;
  bereft: boolean;
}

interface Session {
  table: Table;
  tx: ModelTransaction | undefined;
}

export interface ModelLimits {
  nodes: number;
  watches: number;
  transactions: number;
  permissions: number;
}

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/';
const isBelow = (path: string, top: string): boolean =>
  top === '/' || path === top || path.startsWith(`${top}/`);
const copyOf = (table: Table): Table =>
  new Map([...table].map(([path, row]) => [path, { ...row }]));

export class ModelConnection {
  watches: ModelWatch[] = [];
  transactions = new Map<number, ModelTransaction>();
  nextId = 1;
  events: string[] = [];
  readonly domid: number;
  constructor(domid: number) {
    this.domid = domid;
  }
}

export class Model {
  table: Table = new Map();
  connections: ModelConnection[] = [];
  /** Who acts for whom besides itself. */
  readonly #targets = new Map<number, number>();
  #clock = 1;
  readonly #limits: ModelLimits;

  constructor(limits: ModelLimits) {
    this.#limits = limits;
    for (const path of ['/', '/tool', '/tool/xenstored']) this.#put(this.table, path, '', ['n0']);
  }

  connect(domid: number): ModelConnection {
    const connection = new ModelConnection(domid);
    this.connections.push(connection);
    return connection;
  }

  owned(table: Table, domid: number): number {
    return [...table.values()].filter((row) => Number((row.perms[0] as string).slice(1)) === domid)
      .length;
  }

  counters(): Record<number, [nodes: number, watches: number, transactions: number]> {
    const rows: Record<number, [number, number, number]> = {};
    for (let domid = 0; domid < 5; domid++) {
      const mine = this.connections.filter((c) => c.domid === domid);
      const watches = mine.reduce((n, c) => n + c.watches.length, 0);
      const transactions = mine.reduce((n, c) => n + c.transactions.size, 0);
      const nodes = this.owned(this.table, domid);
      if (nodes + watches + transactions > 0) rows[domid] = [nodes, watches, transactions];
    }
    return rows;
  }

  die(domid: number): void {
    this.connections = this.connections.filter((c) => c.domid !== domid);
    for (const { transactions } of this.connections) {
      for (const tx of transactions.values()) if (tx.named.has(domid)) tx.bereft = true;
    }
    this.#targets.delete(domid);
    for (const [who, target] of this.#targets) if (target === domid) this.#targets.delete(who);
    for (const path of this.#below('/')) {
      const row = this.table.get(path);
      if (row === undefined || Number((row.perms[0] as string).slice(1)) !== domid) continue;
      if (path === '/') {
        row.perms = [`${(row.perms[0] as string)[0]}0`, ...row.perms.slice(1)];
        continue;
      }
      this.#removeWithEvents({ table: this.table, tx: undefined }, path);
    }
    const open = this.connections.flatMap((c) => [...c.transactions.values()]);
    const tables = [this.table, ...open.flatMap((tx) => [tx.base, tx.table])];
    for (const row of tables.flatMap((table) => [...table.values()])) {
      row.perms = row.perms.map((text, i) =>
        i > 0 && Number(text.slice(1)) === domid ? text.replace(/!?$/, '!') : text,
      );
    }
    for (const connection of this.connections) {
      for (const watch of connection.watches) {
        if (watch.path === '@releaseDomain' && connection.domid === 0) {
          connection.events.push(`${watch.path} ${watch.token}`);
        }
      }
    }
  }

  request(c: ModelConnection, name: string, args: string[], txId = 0): string {
    if (name === 'watch') return this.#watch(c, args[0] as string, args[1] as string);
    if (name === 'unwatch') return this.#unwatch(c, args[0] as string, args[1] as string);
    const tx = c.transactions.get(txId);
    if (txId !== 0 && tx === undefined) return 'ENOENT';
    if (name === 'reset') {
      c.watches = [];
      c.transactions.clear();
      return 'OK';
    }
    if (name === 'target') {
      if (c.domid !== 0) return 'EACCES';
      this.#targets.set(Number(args[0]), Number(args[1]));
      return 'OK';
    }
    if (name === 'start') return this.#start(c, tx);
    if (name === 'end') return this.#end(c, txId, args[0] as string);
    const session: Session = { table: tx?.table ?? this.table, tx };
    const given = args[0] as string;
    const path = given.startsWith('/') ? given : `/local/domain/${c.domid}/${given}`;
    switch (name) {
      case 'read': {
        const row = this.#get(c, session, path, 'r', 'self');
        return typeof row === 'string' ? row : `=${row.value}`;
      }
      case 'directory': {
        const row = this.#get(c, session, path, 'r', 'self', 'list');
        return typeof row === 'string' ? row : `=${this.#children(session.table, path).join(',')}`;
      }
      case 'permissions': {
        const row = this.#get(c, session, path, 'r', 'self');
        return typeof row === 'string' ? row : `=${row.perms.join(',').replaceAll('!', '')}`;
      }
      case 'write':
        return this.#write(c, session, path, args[1] as string, false);
      case 'mkdir':
        return this.#write(c, session, path, '', true);
      case 'rm':
        return this.#rm(c, session, path);
      case 'permit':
        return this.#permit(c, session, path, args.slice(1));
      default:
        throw new Error(`expected a request of the model, found ${name}`);
    }
  }

  #put(table: Table, path: string, value: string, perms: string[]): void {
    table.set(path, { value, perms, self: this.#clock++, list: 0 });
    const parent = path === '/' ? undefined : table.get(parentOf(path));
    if (parent !== undefined) parent.list = this.#clock++;
  }

  #children(table: Table, path: string): string[] {
    const prefix = path === '/' ? '/' : `${path}/`;
    return [...table.keys()]
      .filter(
        (key) => key !== '/' && key.startsWith(prefix) && !key.slice(prefix.length).includes('/'),
      )
      .map((key) => key.slice(prefix.length));
  }

  /** `path` and all below it, parents first. */
  #below(path: string): string[] {
    const prefix = path === '/' ? '/' : `${path}/`;
    const inner = this.#children(this.table, path).flatMap((name) => this.#below(prefix + name));
    return [path, ...inner];
  }

  #may(domid: number, perms: string[], right: 'r' | 'w' | 'o'): boolean {
    const selves = [domid, this.#targets.get(domid) ?? domid];
    if (domid === 0 || selves.includes(Number((perms[0] as string).slice(1)))) return true;
    const entry =
      perms.slice(1).find((text) => selves.some((self) => text.slice(1) === `${self}`)) ??
      (perms[0] as string);
    return right !== 'o' && (entry[0] === right || entry[0] === 'b');
  }

  #touch(session: Session, path: string, ...sees: ('self' | 'list' | 'tree')[]) {
    if (session.tx === undefined) return undefined;
    let access = session.tx.touched.get(path);
    if (access === undefined) {
      access = { sees: new Set(), fires: false, exact: false };
      session.tx.touched.set(path, access);
    }
    for (const part of sees) access.sees.add(part);
    return access;
  }

  #get(
    c: ModelConnection,
    s: Session,
    path: string,
    rights: string,
    ...sees: ('self' | 'list' | 'tree')[]
  ): Row | string {
    this.#touch(s, path, ...sees);
    const row = s.table.get(path);
    const all = [...rights] as ('r' | 'w' | 'o')[];
    if (row !== undefined)
      return all.every((right) => this.#may(c.domid, row.perms, right)) ? row : 'EACCES';
    let at = path;
    do {
      at = parentOf(at);
      this.#touch(s, at, 'self');
    } while (!s.table.has(at));
    const near = s.table.get(at) as Row;
    return all.some((right) => this.#may(c.domid, near.perms, right)) ? 'ENOENT' : 'EACCES';
  }

  #tell(
    s: Session,
    path: string,
    exact: boolean,
    before: string[] | undefined,
    gone: boolean,
  ): void {
    const access = this.#touch(s, path);
    if (access !== undefined) {
      access.exact = exact && (access.exact || !access.fires);
      access.fires = true;
      access.before ??= before ?? (s.table.get(path) as Row).perms;
      return;
    }
    for (const c of this.connections) {
      for (const watch of c.watches) {
        if (exact ? watch.path !== path : !isBelow(path, watch.path)) continue;
        const row = s.table.get(path);
        const parent = s.table.get(parentOf(path));
        const readable =
          (before !== undefined && this.#may(c.domid, before, 'r')) ||
          (!gone && row !== undefined && this.#may(c.domid, row.perms, 'r')) ||
          (!gone && parent !== undefined && this.#may(c.domid, parent.perms, 'r'));
        if (!readable) continue;
        const event = `${watch.shown(path)} ${watch.token}`;
        if (!c.events.includes(event)) c.events.push(event);
      }
    }
  }

  #create(domid: number, s: Session, path: string, value: string): void {
    const missing: string[] = [];
    for (let at = path; !s.table.has(at); at = parentOf(at)) missing.unshift(at);
    for (const at of missing) {
      const perms = [...(s.table.get(parentOf(at)) as Row).perms];
      if (domid !== 0) perms[0] = `${(perms[0] as string)[0]}${domid}`;
      this.#put(s.table, at, at === path ? value : '', perms);
    }
  }

  #write(c: ModelConnection, s: Session, path: string, value: string, onlyMake: boolean): string {
    const row = this.#get(c, s, path, 'w', 'self');
    if (row === 'ENOENT') {
      let missing = 0;
      for (let at = path; !s.table.has(at); at = parentOf(at)) missing++;
      if (c.domid !== 0) {
        const base =
          s.tx === undefined ? 0 : this.owned(s.tx.table, c.domid) - this.owned(s.tx.base, c.domid);
        if (this.owned(this.table, c.domid) + base + missing > this.#limits.nodes) return 'ENOSPC';
      }
      this.#create(c.domid, s, path, value);
      s.tx?.redo.push((later) => this.#create(c.domid, later, path, value));
    } else if (typeof row === 'string') return row;
    else if (onlyMake) return 'OK';
    else {
      const set = (later: Session): void => {
        const at = later.table.get(path) as Row;
        at.value = value;
        at.self = this.#clock++;
      };
      set(s);
      s.tx?.redo.push(set);
    }
    this.#tell(s, path, false, undefined, false);
    return 'OK';
  }

  #removeWithEvents(s: Session, path: string): void {
    const down = (at: string): void => {
      const inner = this.#children(s.table, at).map((name) =>
        at === '/' ? `/${name}` : `${at}/${name}`,
      );
      if (s.tx !== undefined) this.#tell(s, at, at !== path, undefined, false);
      for (const child of inner) down(child);
      if (s.tx === undefined) this.#tell(s, at, at !== path, undefined, false);
    };
    down(path);
    this.#remove(s, path);
  }

  #remove(s: Session, path: string): void {
    for (const key of [...s.table.keys()]) if (isBelow(key, path)) s.table.delete(key);
    (s.table.get(parentOf(path)) as Row).list = this.#clock++;
  }

  #rm(c: ModelConnection, s: Session, path: string): string {
    const row = this.#get(c, s, path, 'w', 'tree');
    if (row === 'ENOENT') return s.table.has(parentOf(path)) ? 'OK' : 'ENOENT';
    if (typeof row === 'string') return row;
    if (path === '/') return 'EINVAL';
    this.#touch(s, parentOf(path));
    this.#removeWithEvents(s, path);
    s.tx?.redo.push((later) => this.#remove(later, path));
    return 'OK';
  }

  #permit(c: ModelConnection, s: Session, path: string, perms: string[]): string {
    if (c.domid !== 0 && perms.length > this.#limits.permissions) return 'ENOSPC';
    const row = this.#get(c, s, path, 'wo', 'self');
    if (typeof row === 'string') return row;
    if (c.domid !== 0 && (perms[0] as string).slice(1) !== (row.perms[0] as string).slice(1))
      return 'EPERM';
    const before = row.perms;
    const set = (later: Session): void => {
      const at = later.table.get(path) as Row;
      at.perms = [...perms];
      at.self = this.#clock++;
    };
    set(s);
    s.tx?.redo.push(set);
    for (const text of perms) s.tx?.named.add(Number(text.slice(1)));
    this.#tell(s, path, false, before, false);
    return 'OK';
  }

  #watch(c: ModelConnection, given: string, token: string): string {
    const home = `/local/domain/${c.domid}`;
    const relative = !given.startsWith('/') && !given.startsWith('@');
    const path = relative ? `${home}/${given}` : given;
    if (c.watches.some((w) => w.path === path && w.token === token)) return 'EEXIST';
    const count = this.connections
      .filter((other) => other.domid === c.domid)
      .reduce((n, other) => n + other.watches.length, 0);
    if (c.domid !== 0 && count > this.#limits.watches) return 'E2BIG';
    const shown = (at: string): string => (relative ? at.slice(home.length + 1) : at);
    c.watches.push({ path, token, shown });
    c.events.push(`${given} ${token}`);
    return 'OK';
  }

  #unwatch(c: ModelConnection, given: string, token: string): string {
    const path =
      given.startsWith('/') || given.startsWith('@') ? given : `/local/domain/${c.domid}/${given}`;
    const at = c.watches.findIndex((w) => w.path === path && w.token === token);
    if (at < 0) return 'ENOENT';
    c.watches.splice(at, 1);
    return 'OK';
  }

  #start(c: ModelConnection, inside: ModelTransaction | undefined): string {
    if (inside !== undefined) return 'EBUSY';
    const open = this.connections
      .filter((other) => other.domid === c.domid)
      .reduce((n, other) => n + other.transactions.size, 0);
    if (c.domid !== 0 && open > this.#limits.transactions) return 'ENOSPC';
    const id = c.nextId++;
    c.transactions.set(id, {
      base: copyOf(this.table),
      table: copyOf(this.table),
      touched: new Map(),
      redo: [],
      added: new Map(),
      named: new Set(),
      bereft: false,
    });
    return `=${id}`;
  }

  #end(c: ModelConnection, id: number, word: string): string {
    const tx = c.transactions.get(id);
    if (tx === undefined) return 'ENOENT';
    c.transactions.delete(id);
    if (word === 'F' || tx.redo.length === 0) return 'OK';
    if (tx.bereft) return 'EAGAIN';
    if (c.domid !== 0) {
      for (let domid = 1; domid < 5; domid++) {
        const added = this.owned(tx.table, domid) - this.owned(tx.base, domid);
        if (added > 0 && this.owned(this.table, domid) + added > this.#limits.nodes)
          return 'ENOSPC';
      }
    }
    const mark = (table: Table, path: string, sees: Set<string>): string => {
      const row = table.get(path);
      if (row === undefined) return 'none';
      const parts = ['there'];
      if (sees.has('self')) parts.push(`${row.self}`);
      if (sees.has('list')) parts.push(`${row.list}`);
      if (sees.has('tree')) {
        for (const [key, { self, list }] of table) {
          if (isBelow(key, path)) parts.push(`${key} ${self} ${list}`);
        }
      }
      return parts.sort().join(';');
    };
    for (const [path, { sees }] of tx.touched) {
      if (sees.size > 0 && mark(tx.base, path, sees) !== mark(this.table, path, sees))
        return 'EAGAIN';
    }
    const live: Session = { table: this.table, tx: undefined };
    for (const redo of tx.redo) redo(live);
    for (const [path, { fires, exact, before }] of tx.touched) {
      if (!fires || !(tx.base.has(path) || tx.table.has(path))) continue;
      this.#tell(live, path, exact, before, !this.table.has(path));
    }
    return 'OK';
  }
}
