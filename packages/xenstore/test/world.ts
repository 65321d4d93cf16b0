import { xenstore_domain_interface } from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import { Sim } from '@port-xen/sim';
import {
  encodeMessage,
  type Message,
  MessageDecoder,
  type StoreClient,
  Xenstored,
  type XenstoredOptions,
} from '../src/index.ts';

/** A guest's end of a ring: as honest as the test lets it be. */
export class Guest {
  readonly page = new Uint8Array(4096);
  readonly memory: BytesMemory = new BytesMemory(this.page);
  readonly ring = xenstore_domain_interface.at(this.memory, 0);
  readonly received: Message[] = [];
  notified = 0;
  #daemon: Xenstored;
  readonly #domid: number;
  readonly #decoder = new MessageDecoder();

  constructor(daemon: Xenstored, domid: number) {
    this.#daemon = daemon;
    this.#domid = domid;
    daemon.introduceRing(domid, this.memory, () => {
      this.notified++;
    });
  }

  /** Its events go to another daemon from now on. */
  serveBy(daemon: Xenstored): void {
    this.#daemon = daemon;
  }

  /** Puts bytes on the request ring as far as they fit. @returns how many */
  put(bytes: Uint8Array): number {
    const prod = this.ring.req_prod;
    const room = 1024 - ((prod - this.ring.req_cons) >>> 0);
    const count = Math.min(room, bytes.length);
    for (let i = 0; i < count; i++) this.page[(prod + i) & 1023] = bytes[i] as number;
    this.ring.req_prod = (prod + count) >>> 0;
    this.#daemon.kick(this.#domid);
    return count;
  }

  send(type: number, payload: Uint8Array | string, requestId = 0, transactionId = 0): void {
    const bytes =
      typeof payload === 'string' ? Uint8Array.from(payload, (c) => c.charCodeAt(0)) : payload;
    const message = encodeMessage(type, requestId, transactionId, bytes);
    const sent = this.put(message);
    if (sent !== message.length)
      throw new Error(`expected room for ${message.length}, found ${sent}`);
  }

  /** Takes what is on the reply ring, at most `limit` bytes. */
  take(limit = 1024): void {
    const cons = this.ring.rsp_cons;
    const count = Math.min(limit, (this.ring.rsp_prod - cons) >>> 0);
    for (let i = 0; i < count; i++) {
      const byte = this.page.subarray(1024 + ((cons + i) & 1023), 1024 + ((cons + i) & 1023) + 1);
      const message = this.#decoder.take(byte);
      if (message !== undefined) this.received.push(message);
    }
    this.ring.rsp_cons = (cons + count) >>> 0;
    if (count > 0) this.#daemon.kick(this.#domid);
  }

  /** What came, as `type text`, and forgets it. */
  replies(): string[] {
    this.take();
    return this.received
      .splice(0)
      .map((m) => `${m.type} ${String.fromCharCode(...m.payload).replaceAll('\0', '|')}`);
  }
}

/** A daemon with its clock. */
export const makeWorld = (
  options: Partial<XenstoredOptions> = {},
): { sim: Sim; daemon: Xenstored; dom0: StoreClient; settle: () => void } => {
  const sim = new Sim(1);
  const daemon = new Xenstored({ sim, latency_ns: 1000, ...options });
  const settle = (): void => {
    while (sim.step());
  };
  return { sim, daemon, dom0: daemon.connect(0), settle };
};

/** The code of the error that `work` throws. */
export const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'OK';
};
