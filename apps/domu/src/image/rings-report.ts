/*
 * The two pages that a guest shares with domain 0's daemons, as they were left: xenstore's, with the messages that are
 * under way, and the console's, with the text that nobody has read yet and the text before it.
 */
import {
  XS_TYPE_COUNT,
  xencons_interface,
  xenstore_domain_interface,
  xsd_sockmsg,
} from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import { hex, plain } from './names.ts';

/** One direction of a ring. */
export interface RingReport {
  readonly producer: number;
  readonly consumer: number;
  /** Bytes written and not read. */
  readonly pending: number;
}

/** A message that lies whole in a ring. */
export interface MessageReport {
  readonly type: string;
  readonly request: number;
  readonly transaction: number;
  readonly payload: string;
}

export interface StoreReport {
  readonly pfn: string;
  readonly requests: RingReport & { readonly messages: readonly MessageReport[] };
  readonly responses: RingReport & { readonly messages: readonly MessageReport[] };
  readonly serverFeatures: number;
  readonly connection: number;
  readonly error: number;
}

export interface ConsoleReport {
  readonly pfn: string;
  /** From the keyboard to the guest. */
  readonly input: RingReport & { readonly text: string };
  /** From the guest to the terminal. */
  readonly output: RingReport & { readonly text: string };
  /** What was read already and is in the ring still. */
  readonly shown: string;
}

const TYPES = [
  'CONTROL',
  'DIRECTORY',
  'READ',
  'GET_PERMS',
  'WATCH',
  'UNWATCH',
  'TRANSACTION_START',
  'TRANSACTION_END',
  'INTRODUCE',
  'RELEASE',
  'GET_DOMAIN_PATH',
  'WRITE',
  'MKDIR',
  'RM',
  'SET_PERMS',
  'WATCH_EVENT',
  'ERROR',
  'IS_DOMAIN_INTRODUCED',
  'RESUME',
  'SET_TARGET',
  '20',
  'RESET_WATCHES',
  'DIRECTORY_PART',
] as const;

/** A ring's bytes as text; carriage returns before newlines say nothing. */
const textOf = (bytes: Uint8Array): string =>
  plain(Buffer.from(bytes).toString('latin1').replaceAll('\r\n', '\n'));

/** Bytes of a ring from index `from` up to `to`. */
const between = (ring: Uint8Array, from: number, to: number): Uint8Array =>
  Uint8Array.from({ length: to - from }, (_, i) => ring[(from + i) % ring.length] ?? 0);

/** How a ring stands. Indices that make no sense leave nothing pending. */
const ringOf = (producer: number, consumer: number, size: number): RingReport => {
  const pending = (producer - consumer) >>> 0;
  return { producer, consumer, pending: pending <= size ? pending : 0 };
};

const messagesOf = (ring: Uint8Array, { consumer, pending }: RingReport): MessageReport[] => {
  const bytes = between(ring, consumer, consumer + pending);
  const messages: MessageReport[] = [];
  for (let at = 0; at + xsd_sockmsg.size <= bytes.length; ) {
    const { type, req_id, tx_id, len } = xsd_sockmsg.at(new BytesMemory(bytes), at);
    const start = at + xsd_sockmsg.size;
    if (type >= XS_TYPE_COUNT || start + len > bytes.length) break;
    const payload = Buffer.from(bytes.subarray(start, start + len)).toString('latin1');
    messages.push({
      type: TYPES[type] ?? `${type}`,
      request: req_id,
      transaction: tx_id,
      payload: plain(payload.split('\0').filter(Boolean).join(' ')),
    });
    at = start + len;
  }
  return messages;
};

/** The xenstore page. */
export const storeReport = (pfn: number, page: Uint8Array): StoreReport => {
  const p = xenstore_domain_interface.at(new BytesMemory(page), 0);
  const requests = ringOf(p.req_prod, p.req_cons, p.req.length);
  const responses = ringOf(p.rsp_prod, p.rsp_cons, p.rsp.length);
  return {
    pfn: hex(pfn),
    requests: { ...requests, messages: messagesOf(p.req, requests) },
    responses: { ...responses, messages: messagesOf(p.rsp, responses) },
    serverFeatures: p.server_features,
    connection: p.connection,
    error: p.error,
  };
};

/** The console page. */
export const consoleReport = (pfn: number, page: Uint8Array): ConsoleReport => {
  const p = xencons_interface.at(new BytesMemory(page), 0);
  const input = ringOf(p.in_prod, p.in_cons, p.in.length);
  const output = ringOf(p.out_prod, p.out_cons, p.out.length);
  const oldest = Math.max(0, p.out_prod - p.out.length);
  return {
    pfn: hex(pfn),
    input: { ...input, text: textOf(between(p.in, p.in_cons, p.in_cons + input.pending)) },
    output: { ...output, text: textOf(between(p.out, p.out_cons, p.out_cons + output.pending)) },
    shown: textOf(between(p.out, oldest, Math.max(oldest, p.out_prod - output.pending))),
  };
};
