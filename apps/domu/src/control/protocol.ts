/*
 * What a running world is asked for over its socket: a line of JSON each way. After `console` is granted the connection
 * carries what is typed one way, as it is, and the other way frames: a kind, a count of 32 bits, little-endian, and after OUTPUT
 * so many bytes that the guest printed; TAKEN says that so many more of the bytes typed are in the guest's pages.
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

/** Kinds of a frame of a console. */
export const OUTPUT = 0;
export const TAKEN = 1;
export const FRAME_HEAD = 5;

/** The head of a frame of a console. */
export const frameHead = (kind: number, count: number): Buffer => {
  const head = Buffer.alloc(FRAME_HEAD);
  head[0] = kind;
  head.writeUInt32LE(count, 1);
  return head;
};

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
