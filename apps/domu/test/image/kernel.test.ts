/*
 * Images of our own guest: its structures are told by name.
 */
import { BytesMemory } from '@port-xen/layout';
import { describe, expect, test } from 'vitest';
import { imageDiff } from '../../src/image/image-diff.ts';
import { showText } from '../../src/image/show-text.ts';
import { pathAt, structLeaves } from '../../src/image/struct-leaves.ts';
import { look, savedAt } from './looked-at.ts';
import { tinyImage } from './tiny-image.ts';

const early = savedAt(4);
const { index, kernel, report } = look(early);

describe("an image of this build's kernel", () => {
  test('is known by the build id in the guest’s own pages', () => {
    expect(kernel.kind).toBe('this build');
    expect(report.kernel.buildId).toMatch(/^[0-9a-f]{40}$/);
  });

  test('has a symbol behind each address of its start of day', () => {
    const [vcpu] = report.vcpus;
    expect(vcpu?.registers.rip?.symbol).toMatch(/^HYPERVISOR_sched_op\+0x/);
    expect(vcpu?.registers.rsp?.symbol).toMatch(/^uarea\[\d+\]\+0x/);
    expect(vcpu?.callbacks).toMatchObject({
      event: { symbol: 'hypervisor_callback' },
      failsafe: { symbol: 'failsafe_callback' },
      syscall: { symbol: 'syscall_entry' },
    });
    expect(vcpu?.traps.length).toBeGreaterThan(15);
    for (const { symbol } of vcpu?.traps ?? []) expect(symbol).toMatch(/^trap\d+$/);
  });

  test('tells what each lwp waits for and how it came there', () => {
    const lwps = new Map(report.kernel.lwps?.map((l) => [l.name, l]));
    expect([...lwps.keys()]).toEqual(
      expect.arrayContaining(['main', 'idle', 'xenwatch', 'sha256']),
    );
    expect(lwps.get('main')).toMatchObject({ state: 'asleep', wchan: 'syscalls.procs[0]' });
    expect(lwps.get('sha256')?.stack.at(-1)).toBe('syscall_return');
    const running = report.kernel.lwps?.find(({ state }) => state === 'running');
    expect(running?.stack.length).toBeGreaterThan(0);
  });

  test('tells softcs, devices and grants by name', () => {
    const { modules = {} } = report.kernel;
    expect(modules.xbd).toMatchObject({ 'softcs[0].sc_xname': '"xbd0"' });
    expect(modules.xbd?.['softcs[0].sc_dev']).toMatch(
      /^0xffffffff[0-9a-f]{8} autoconf\.alldevs\[\d\]$/,
    );
    expect(Object.values(modules.autoconf ?? {})).toContain('"xbd0"');
    expect(modules.xengnt).toHaveProperty('cursor');
    expect(modules.sched?.curlwp).toMatch(/sched\.lwps\[\d\]$/);
  });

  test('is laid out for people', () => {
    const text = showText(report);
    expect(text).toContain('ours, this build');
    expect(text).toMatch(/sha256 +\w+.*\n.* ← syscall_return/);
  });

  test('differs from a later one in fields that have names, and in pages that have a purpose', () => {
    const later = look(savedAt(9));
    const diff = imageDiff({ index, report }, later, kernel.symbols);
    expect(diff.same).toBe(false);
    expect(diff.records).toEqual([]);
    expect(Object.keys(diff.sections)).toEqual(
      expect.arrayContaining(['xbd', 'sched', 'TSC_INFO']),
    );
    expect(diff.sections.syscalls?.map(({ path }) => path)).toContain('procs[0].p_fd[3].f_offset');
    const purposes = diff.pages.ranges.map(({ what }) => what);
    expect(purposes).toContain('uarea');
    expect(purposes.some((what) => what.includes('xbd'))).toBe(true);
    expect(diff.pages.same).toBeGreaterThan(3900);
  });
});

test('with another build id the structures are not guessed at', () => {
  const bytes = early.slice();
  const id = Buffer.from(report.kernel.buildId ?? '', 'hex');
  const at = Buffer.from(bytes.buffer).indexOf(id);
  bytes[at] = (bytes[at] as number) ^ 1;
  const other = look(bytes);
  expect(other.report.kernel).toEqual({
    kernel: 'another build',
    buildId: expect.not.stringMatching(`^${report.kernel.buildId}$`),
  });
  expect(other.report.vcpus[0]?.callbacks.event).not.toHaveProperty('symbol');
});

test('a kernel that is not ours has none', () => {
  expect(look(tinyImage('libxc')).report.kernel).toEqual({ kernel: 'not ours' });
});

test('the path of each field leads to its address and back', () => {
  const { symbols } = kernel;
  expect(symbols).toBeDefined();
  if (symbols === undefined) return;
  const { image } = symbols;
  let fields = 0;
  for (const [module, start] of Object.entries(image.data)) {
    const struct = image.spec.modules[module]?.data;
    if (struct === undefined) continue;
    const ones = new Uint8Array(struct.size).fill(1);
    for (const { path, address } of structLeaves(struct, new BytesMemory(ones, start), start)) {
      const found = pathAt(struct, address - start);
      // An array or a struct begins where its first field does.
      expect(
        path.startsWith(found ?? 'none') || found === path,
        `${module}.${path}: ${found}`,
      ).toBe(true);
      fields++;
    }
  }
  expect(fields).toBeGreaterThan(1000);
});
