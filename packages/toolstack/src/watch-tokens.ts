/** The tokens of one connection's watches, and who is told when one fires. */
export class WatchTokens {
  readonly #listeners = new Map<string, () => void>();
  #count = 0;

  /** @param what begins the token, for whoever reads a trace @returns a token that no watch has had */
  add(what: string, listener: () => void): string {
    const token = `${what} ${this.#count++}`;
    this.#listeners.set(token, listener);
    return token;
  }

  remove(token: string): void {
    this.#listeners.delete(token);
  }

  /** A watch fired. */
  fired(token: string): void {
    this.#listeners.get(token)?.();
  }
}
