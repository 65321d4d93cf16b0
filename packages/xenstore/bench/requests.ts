/*
 * Requests a second of a client in the daemon's own process, and what a large store takes.
 *
 *     node bench/requests.ts
 */
import { Sim } from '@port-xen/sim';
import { Xenstored } from '../src/index.ts';

const NODES = 100_000;
const SECONDS = 1;
const MIB = 1 << 20;

const sim = new Sim(1);
const daemon = new Xenstored({ sim });
const client = daemon.connect(0, () => undefined);
const value = new Uint8Array(64).fill(120);

const rate = (name: string, request: () => void): void => {
  for (let i = 0; i < 20_000; i++) request();
  const start = performance.now();
  let count = 0;
  while (performance.now() - start < SECONDS * 1000) {
    for (let i = 0; i < 100; i++) request();
    count += 100;
  }
  const seconds = (performance.now() - start) / 1000;
  console.log(`${name}: ${Math.round(count / seconds)} /s`);
};

client.write('/local/domain/0/value', value);
rate('read', () => client.readBytes('/local/domain/0/value'));
rate('write', () => client.write('/local/domain/0/value', value));
rate('transaction of a read and a write', () =>
  client.transaction((tx) => {
    client.readBytes('/local/domain/0/value', tx);
    client.write('/local/domain/0/value', value, tx);
  }),
);
client.watch('/watched', 'token');
rate('write and its watch event', () => {
  client.write('/watched', value);
  while (sim.step());
});

const before = process.memoryUsage().rss;
const start = performance.now();
for (let i = 0; i < NODES; i++) client.write(`/tree/${Math.floor(i / 100)}/${i % 100}`, value);
const made = performance.now();
const seen = daemon.dump().length;
const dumped = performance.now();
const grown = Math.round((process.memoryUsage().rss - before) / MIB);
console.log(
  `${seen} nodes: made in ${Math.round(made - start)} ms, dumped in ${Math.round(dumped - made)} ms, ${grown} MiB`,
);
