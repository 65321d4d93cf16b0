import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { debianPackage } from '@tooling/peers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PcapngWriter } from '../src/index.ts';

/** An ARP request, as Ethernet carries it: 42 bytes and padding to 60. */
const arp = Uint8Array.from([
  ...[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x16, 0x3e, 0, 0, 1, 0x08, 0x06],
  ...[0, 1, 8, 0, 6, 4, 0, 1, 0x00, 0x16, 0x3e, 0, 0, 1, 10, 0, 0, 1],
  ...[0, 0, 0, 0, 0, 0, 10, 0, 0, 2],
  ...new Array(18).fill(0),
]);

const NEW_YEAR_2026_S = 1_767_225_600;

let folder = '';
let file = '';
beforeAll(() => {
  debianPackage('tshark', '/usr/bin/tshark');
  folder = mkdtempSync(join(tmpdir(), 'pcapng-'));
  file = join(folder, 'two-vifs.pcapng');
  const chunks: Uint8Array[] = [];
  const writer = new PcapngWriter((chunk) => chunks.push(chunk), {
    application: 'port-xen',
    epoch_s: NEW_YEAR_2026_S,
  });
  const mac = (last: number) => Uint8Array.of(0, 0x16, 0x3e, 0, 0, last);
  const first = writer.addInterface({ name: 'vif1.0', description: 'alpha', mac: mac(1) });
  const second = writer.addInterface({ name: 'vif2.0', description: 'beta', mac: mac(2) });
  writer.frame(first, { time_ns: 1, bytes: arp, direction: 'out' });
  writer.frame(second, { time_ns: 30_001, bytes: arp, direction: 'in' });
  writer.note(first, 'domain 1 (alpha) left: saved');
  writer.note(first, 'domain 12 (alpha) came back: réstored');
  writer.frame(first, { time_ns: 86_400_000_000_007, bytes: arp, direction: 'out' });
  writer.end();
  writeFileSync(file, Buffer.concat(chunks));
}, 600_000);
afterAll(() => rmSync(folder, { recursive: true }));

const run = (program: string, ...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  const complaints = stderr
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('Running as user "root"'));
  return { status, lines: stdout.trimEnd().split('\n'), complaints };
};

test('PCAPNG-1 to PCAPNG-4: tshark reads interfaces, nanoseconds, directions and comments without a complaint', () => {
  const fields = ['interface_name', 'time_epoch', 'packet_flags_direction', 'comment'];
  const { status, lines, complaints } = run(
    '/usr/bin/tshark',
    ...['-r', file, '-T', 'fields', '-E', 'separator=|'],
    ...fields.flatMap((field) => ['-e', `frame.${field}`]),
    ...['-e', 'arp.opcode', '-e', '_ws.malformed'],
  );
  expect({ status, complaints }).toEqual({ status: 0, complaints: [] });
  // How tshark writes a direction and the last digits depends on its version.
  expect(lines.map((line) => line.replace('0x00000002', '2').replace('0x00000001', '1'))).toEqual([
    'vif1.0|1767225600.000000001|2||1|',
    'vif2.0|1767225600.000030001|1||1|',
    'vif1.0|1767312000.000000007|2|domain 1 (alpha) left: saved,domain 12 (alpha) came back: réstored|1|',
  ]);
});

test('PCAPNG-2: capinfos counts interfaces and frames', () => {
  const { status, lines, complaints } = run('/usr/bin/capinfos', file);
  expect({ status, complaints }).toEqual({ status: 0, complaints: [] });
  const text = lines.join('\n');
  expect(text).toMatch(/Number of packets:\s+3\n/);
  expect(text).toMatch(/Number of interfaces in file: 2/);
  expect(text).toMatch(/Name = vif1.0/);
  expect(text).toMatch(/Time precision = nanoseconds/);
  expect(text).toMatch(/Capture application:\s+port-xen/);
});
