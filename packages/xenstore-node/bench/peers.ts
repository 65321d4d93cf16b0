/*
 * The same C client (measures.c) against our daemon and others, turn by turn in one run, so that
 * what else the machine does meets all of them; medians, and the median of the ratios of each
 * round.
 *
 *     node bench/peers.ts [ROUNDS [SECONDS [NODES]]]
 *
 * Others are the sockets that XENSTORED_PEERS names, `name=path name=path`; without it the system's
 * own daemon, when this is a Xen host; without one, ours alone is measured. Others should be idle,
 * and are left as they were found.
 */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { debianPackage } from '@tooling/peers';

const run = promisify(execFile);
const SYSTEM = '/run/xenstored/socket';
const OURS = 'port-xen';
/** Measures of which more is better; of the others less is. */
const RATES = new Set(['write', 'read', 'transaction', 'event']);

const peersOf = (text: string | undefined): [name: string, path: string][] => {
  if (text === undefined) return existsSync(SYSTEM) ? [['system', SYSTEM]] : [];
  return text
    .split(/\s+/)
    .filter((word) => word.includes('='))
    .map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]);
};

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
};

const build = (folder: string): string => {
  debianPackage('libxen-dev', '/usr/include/xenstore.h');
  debianPackage('gcc', '/usr/bin/gcc');
  const program = join(folder, 'measures');
  const source = join(import.meta.dirname, 'measures.c');
  execFileSync('/usr/bin/gcc', ['-O2', '-Wall', '-o', program, source, '-lxenstore']);
  return program;
};

const [rounds = 30, seconds = 0.1, nodes = 100_000] = process.argv.slice(2).map(Number);
const folder = mkdtempSync(join(tmpdir(), 'xenstore-bench-'));
const program = build(folder);
const socket = join(folder, 'socket');
const server = spawn(process.execPath, [join(import.meta.dirname, 'serve.ts'), socket]);
await once(server.stdout, 'data');
const daemons: [name: string, path: string][] = [
  [OURS, socket],
  ...peersOf(process.env.XENSTORED_PEERS),
];
const found = new Map<string, Map<string, number[]>>();

const measure = async (name: string, path: string, args: readonly string[]): Promise<void> => {
  const env = { ...process.env, XENSTORED_PATH: path };
  const { stdout } = await run(program, args, { env });
  for (const [measured = '', value] of stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' '))) {
    const row = found.get(measured) ?? new Map<string, number[]>();
    found.set(measured, row.set(name, [...(row.get(name) ?? []), Number(value)]));
  }
};

/** Makes the tree and reads it, and looks at our process's memory while it is there. */
const measureTree = async (name: string, path: string): Promise<void> => {
  const env = { ...process.env, XENSTORED_PATH: path };
  const child = spawn(program, ['tree', `${nodes}`], { env });
  const lines: string[] = [];
  child.stdout.on('data', (bytes) => lines.push(...String(bytes).trim().split('\n')));
  while (!lines.some((line) => line.startsWith('list'))) await once(child.stdout, 'data');
  const status = name === OURS ? readFileSync(`/proc/${server.pid}/status`, 'utf8') : '';
  const memory = /VmRSS:\s+(\d+)/.exec(status)?.[1];
  const mib = memory === undefined ? '' : `, ${Math.round(Number(memory) / 1024)} MiB resident`;
  console.log(`${nodes} nodes, ${name}: ${lines.join(' s, ')} s${mib}`);
  child.stdin.end('\n');
  await once(child, 'exit');
};

try {
  for (let round = 0; round < rounds; round++) {
    for (const [name, path] of daemons) await measure(name, path, ['rates', `${seconds}`]);
    for (const [name, path] of daemons) await measure(name, path, ['times']);
  }
  for (const [measured, row] of found) {
    const ours = row.get(OURS) ?? [];
    const unit = RATES.has(measured) ? '/s' : 'us';
    const columns = [...row].map(([name, values]) => {
      const ratio = median(ours.map((value, i) => value / (values[i] ?? Number.NaN)));
      const beside = name === OURS ? '' : ` (ours ${ratio.toFixed(2)} times that)`;
      return `${name} ${median(values)} ${unit}${beside}`;
    });
    console.log(`${measured}: ${columns.join(', ')}`);
  }
  for (const [name, path] of daemons) await measureTree(name, path);
} finally {
  server.kill();
  rmSync(folder, { recursive: true });
}
