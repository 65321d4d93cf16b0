import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type StreamFormat, verifyStream } from '@tooling/peers';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ImageWriter, MemoryImage } from '../src/index.ts';
import { sample, sourceOf } from './bytes.ts';
import { rewrite } from './rewrite.ts';

const folder = mkdtempSync(join(tmpdir(), 'migration-stream-'));
vi.setConfig({ testTimeout: 60_000 });
// The first use of the verifier may have to install it.
beforeAll(() => void verdict(sample('hand-made.xl'), 'xl'), 900_000);
afterAll(() => rmSync(folder, { recursive: true }));

const verdict = (bytes: Uint8Array, format: StreamFormat) => {
  const file = join(folder, `image.${format}`);
  writeFileSync(file, bytes);
  return verifyStream(file, format);
};

/** A domain of 1500 pages on three vCPUs, as no sample has it. */
const domain = (format: StreamFormat): Uint8Array => {
  const sink = new MemoryImage();
  const writer = new ImageWriter(sink);
  if (format === 'xl') writer.xlHeader('{\n    "c_info": {\n        "name": "ünï"\n    }\n}\n');
  if (format !== 'libxc') {
    writer.libxlHeader();
    writer.libxcContext();
  }
  writer.imageHeader();
  writer.domainHeader(4, 17);
  writer.x86PvInfo();
  writer.cpuidPolicy(new Uint8Array(48));
  writer.msrPolicy(new Uint8Array(32));
  writer.staticDataEnd();
  writer.p2mFrames(1499, Int32Array.of(7, 8, 9));
  for (let first = 0; first < 1500; first += 1024) {
    const pfns = Int32Array.from({ length: Math.min(1024, 1500 - first) }, (_, i) => first + i);
    const types = Uint8Array.from(pfns, (pfn) => [0, 15, 1, 12, 13, 14][pfn % 6] ?? 0);
    const data = types.reduce((count, type) => count + (type < 13 ? 1 : 0), 0);
    writer.pageData(pfns, types, [new Uint8Array(data * 4096).fill(first)]);
  }
  writer.verify();
  writer.pageData(Int32Array.of(1499), Uint8Array.of(15), []);
  writer.tscInfo({ mode: 0, khz: 2400000, nsec: 2n ** 60n + 1n, incarnation: 1 });
  writer.sharedInfo(new Uint8Array(4096));
  for (const vcpu of [0, 1, 5]) {
    writer.vcpuBasic(vcpu, new Uint8Array(5168));
    if (vcpu === 0) writer.vcpuExtended(vcpu, new Uint8Array(64));
    writer.vcpuXsave(vcpu, new Uint8Array(592));
    if (vcpu === 5) writer.vcpuMsrs(vcpu, new Uint8Array(16));
  }
  writer.end();
  if (format !== 'libxc') writer.libxlEnd();
  return sink.bytes;
};

test.each(['xl', 'libxl', 'libxc'] as const)(
  "MIG-34: Xen's verify-stream-v2 takes what is written (%s)",
  (format) => {
    expect(verdict(domain(format), format)).toMatchObject({ accepted: true });
  },
);

test.each([
  ['genuine-xen-4.17.libxc', 'libxc'],
  ['hand-made.xl', 'xl'],
] as const)('MIG-34: and %s read and written again', (name, format) => {
  const { bytes } = rewrite(sourceOf(sample(name)));
  expect(verdict(bytes, format)).toMatchObject({ accepted: true });
});

test('it is a judge: one bit of padding, one of a length, and it refuses', () => {
  const good = domain('libxc');
  for (const at of [40 + 8 + 7, 44]) {
    const bad = good.slice();
    bad[at] = (bad[at] ?? 0) ^ 1;
    expect(verdict(bad, 'libxc')).toMatchObject({ accepted: false });
  }
});
