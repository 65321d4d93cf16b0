/*
 * What a running world is asked for over its socket: a line of JSON each way. After `console` is granted the connection
 * carries the console's bytes, both ways.
 *
 *     client   {"command":"pause","domain":"guest"}\n
 *     world    {"ok":true,"result":null}\n   or   {"ok":false,"error":"a sentence"}\n
 */
import type { DomainRow } from '@port-xen/toolstack';

export interface Request {
  readonly command: string;
  /** Name or number of the domain it is about. */
  readonly domain?: string;
  readonly [argument: string]: unknown;
}

export type Reply =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly error: string };

/** One vCPU, as `xl vcpu-list` shows it. */
export interface VcpuRow {
  readonly name: string;
  readonly domid: number;
  readonly vcpu: number;
  readonly state: string;
  readonly time_s: number;
}

/** What `xl info` says of a host, by name. */
export type HostFacts = Readonly<Record<string, string | number>>;

export type ListResult = readonly DomainRow[];

/** The most that a request line may hold, bytes. */
export const LINE_MAX = 65536;
