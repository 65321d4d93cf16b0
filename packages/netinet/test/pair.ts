import { Sim } from '@port-xen/sim';
import { Host, type HostOptions } from './host.ts';
import { Wire, type WireOptions } from './wire.ts';

export const A = 0x0a00_0001;
export const B = 0x0a00_0002;

export interface Pair {
  readonly sim: Sim;
  readonly wire: Wire;
  readonly a: Host;
  readonly b: Host;
}

/** Two hosts on a wire, links up. */
export const pair = (
  options: WireOptions = {},
  seed = 1,
  ofA: Partial<HostOptions> = {},
  ofB: Partial<HostOptions> = {},
): Pair => {
  const sim = new Sim(seed);
  const a = new Host(sim, { addr: A, secret: 1 + seed, ...ofA });
  const b = new Host(sim, { addr: B, secret: 1001 + seed, ...ofB });
  const wire = new Wire(sim, a, b, options);
  a.up();
  b.up();
  return { sim, wire, a, b };
};

/** A connection from a to b's port 80. */
export const connected = (p: Pair): { client: number; server: number; listener: number } => {
  const listener = p.b.listen(80);
  const client = p.a.connect(B, 80);
  let server = 0;
  const done = p.wire.run(200, () => {
    if (server === 0) server = p.b.accept(listener);
    return server !== 0;
  });
  if (!done) throw new Error('not connected within 200 s');
  return { client, server, listener };
};

/** Bytes that differ wherever they stand. */
export const pattern = (length: number, seed = 1): Uint8Array => {
  const bytes = new Uint8Array(length);
  let x = seed | 1;
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1103515245) + 12345) | 0;
    bytes[i] = x >>> 16;
  }
  return bytes;
};
