/*
 * Who owns how much: one row a domain, in the order in which domains were first counted. A row that is all zero is
 * dropped, so that what a dead domain leaves behind can be seen.
 */

/** What is counted for a domain. */
export interface Account {
  nodes: number;
  watches: number;
  transactions: number;
}

/** The daemon's own table of what each domain has. */
export class Accounts {
  readonly #rows = new Map<number, Account>();

  /** The row of `domid`, zeros when it has none. Not to be written to. */
  of(domid: number): Readonly<Account> {
    return this.#rows.get(domid) ?? { nodes: 0, watches: 0, transactions: 0 };
  }

  add(domid: number, what: keyof Account, amount: number): void {
    let row = this.#rows.get(domid);
    if (row === undefined) {
      row = { nodes: 0, watches: 0, transactions: 0 };
      this.#rows.set(domid, row);
    }
    row[what] += amount;
    if (row[what] < 0) {
      throw new Error(
        `expected no negative count, found ${row[what]} ${what} of domain ${domid} in xenstore's accounts`,
      );
    }
    if (row.nodes === 0 && row.watches === 0 && row.transactions === 0) this.#rows.delete(domid);
  }

  /** Every domain that has something, with a copy of its row, by domid. */
  entries(): readonly (readonly [domid: number, account: Readonly<Account>])[] {
    return [...this.#rows]
      .map(([domid, row]) => [domid, { ...row }] as const)
      .sort((a, b) => a[0] - b[0]);
  }
}
