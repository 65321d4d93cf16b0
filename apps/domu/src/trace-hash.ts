import { createHash } from 'node:crypto';
import type { Trace } from '@port-xen/sim';

/** Bytes gathered before they are hashed. */
const BATCH = 1 << 16;

/**
 * The SHA-256 of everything that crosses the hypercall line and the rings: hypercalls with arguments and results, upcalls,
 * ring requests, xenstore messages, in order. Two runs are the same run when their hashes are.
 */
export class TraceHash {
  readonly #hash = createHash('sha256');
  #batch = '';

  constructor(trace: Trace) {
    trace.listen((kind, domid, particulars) => {
      this.#batch += `${kind} ${domid} ${particulars.join(' ')}\n`;
      if (this.#batch.length > BATCH) this.#flush();
    });
  }

  #flush(): void {
    this.#hash.update(this.#batch, 'latin1');
    this.#batch = '';
  }

  /** 64 hexadecimal digits; ends the hash. */
  digest(): string {
    this.#flush();
    return this.#hash.digest('hex');
  }
}
