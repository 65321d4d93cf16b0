/**
 * Named points at which a test or an experiment makes something go wrong.
 *
 * Code asks `faults.hit('xbdback.answer')` where the fault would show; nothing happens unless somebody armed it.
 */
export class Faults {
  readonly #armed = new Map<string, (particulars: readonly unknown[]) => boolean>();

  /** @param decide called at each pass; true makes this pass fail */
  arm(point: string, decide: (particulars: readonly unknown[]) => boolean): void {
    this.#armed.set(point, decide);
  }

  disarm(point: string): void {
    this.#armed.delete(point);
  }

  /** Whether this pass is to fail. */
  hit(point: string, ...particulars: readonly unknown[]): boolean {
    if (this.#armed.size === 0) return false;
    return this.#armed.get(point)?.(particulars) ?? false;
  }
}
