import { array, BytesMemory, i64, struct, u32 } from '@port-xen/layout';
import { createHost } from '@tooling/testbed';
import { describe, expect, test } from 'vitest';
import {
  BUILD_ID_OFFSET,
  BUILD_ID_SIZE,
  done,
  elfFile,
  KERNBASE,
  KernelImage,
  type KernelSpec,
  kernLinked,
  kernModules,
  leaf,
  linkKern,
  NOTES_ADDRESS,
  PAGE_SIZE,
  Panic,
  raw,
  routine,
  TextEngine,
} from '../src/index.ts';
import { MODES, toyImage } from './kernel-run.ts';

const SHUTDOWN_crash = 3;

/** A kernel that does nothing but end. */
const spec = (entry: () => void): KernelSpec => ({
  name: 'short',
  version: '0',
  entry: 'start',
  programs: [],
  modules: { ...kernModules, short: { text: { start: raw(entry) } } },
  link: (cpu, at) => ({ ...kernLinked(linkKern(cpu, at)), short: {} }),
});

describe.each(MODES)('%s', (_, amnesia) => {
  const end = (entry: () => void) => {
    const host = createHost({ mib: 32 });
    const image = new KernelImage(spec(entry), new Uint8Array(20));
    const engine = new TextEngine(image, { amnesia });
    const domid = host.bootKernel({ elf: elfFile(image), engine, memoryMib: 8 });
    host.runFor(1e6);
    return host.hv.domctl.getDomainInfo(domid);
  };

  test('KERN-29: the note says which Xen the kernel is for', () => {
    const noteOf = (options: Partial<KernelSpec>): string => {
      const image = new KernelImage({ ...spec(() => {}), ...options }, new Uint8Array(20));
      return Buffer.from(elfFile(image)).toString('latin1');
    };
    expect(noteOf({})).toContain('xen-3.0\0');
    expect(noteOf({ xenVersion: 'xen-2.0' })).toContain('xen-2.0\0');
    expect(noteOf({ xenVersion: 'xen-2.0' })).not.toContain('xen-3.0\0');
  });

  test('KERN-22, KERN-23: the ELF file boots on a real machine, and a panic crashes the domain', () => {
    const info = end(() => {
      throw new Panic('enough');
    });
    expect(info).toMatchObject({ shutdown: true, shutdownReason: SHUTDOWN_crash });
  });

  test('KERN-23: memory that leads outside an array costs the domain, not the host', () => {
    const list = struct('list', { items: array(u32, 4), last: u32 });
    const memory = new BytesMemory(new Uint8Array(list.size));
    const damaged = list.at(memory, 0);
    damaged.last = 4_000_000;
    const info = end(() => void damaged.items.get(damaged.last));
    expect(info).toMatchObject({ shutdown: true, shutdownReason: SHUTDOWN_crash });
  });

  test('KERN-23: a kernel that faults before it has a trap table crashes its domain, not the host', () => {
    const host = createHost({ mib: 32 });
    const text = { start: raw((_m, cpu) => void cpu.memory.ld32(0x1000)) };
    const faulty = { ...spec(() => {}), modules: { ...kernModules, short: { text } } };
    const image = new KernelImage(faulty, new Uint8Array(20));
    const engine = new TextEngine(image, { amnesia });
    const domid = host.bootKernel({ elf: elfFile(image), engine, memoryMib: 8 });
    host.runFor(1e6);
    expect(host.hv.domctl.getDomainInfo(domid)).toMatchObject({ shutdown: true });
    expect(host.audit()).toEqual([]);
  });
});

test('KERN-22: the build id stands where whoever has only the pages finds it', () => {
  const id = Uint8Array.from({ length: BUILD_ID_SIZE }, (_, i) => i + 1);
  const file = Buffer.from(elfFile(new KernelImage(toyImage({}).spec, id)));
  // p_offset of the first program header.
  const text = Number(file.readBigUInt64LE(Number(file.readBigUInt64LE(32)) + 8));
  const at = text + BUILD_ID_OFFSET;
  expect(new Uint8Array(file.subarray(at, at + BUILD_ID_SIZE))).toEqual(id);
  expect(Math.abs(NOTES_ADDRESS % PAGE_SIZE)).toBe(0);
});

test('KERN-22: data is aligned, zeroed by the builder, and no two modules share any', () => {
  const odd = struct('odd', { a: i64 });
  const image = toyImage({}, odd);
  const placed = Object.entries(image.data)
    .map(([name, at]) => ({ name, at, size: image.spec.modules[name]?.data?.size ?? 0 }))
    .sort((a, b) => a.at - b.at);
  placed.forEach(({ at, size }, i) => {
    expect(Math.abs(at % 16)).toBe(0);
    expect(at + size).toBeLessThanOrEqual(placed[i + 1]?.at ?? image.end);
  });
  expect(image.dataStart).toBeGreaterThan(KERNBASE);
});

test('KERN-22: each entry point and each step is a symbol, by which addresses are named', () => {
  const locals = struct('l', { a: i64 });
  const image = toyImage({ two: routine(locals, { one: () => done(), two: () => done() }) });
  const at = image.sym('two');
  expect(image.sym('two.one')).toBe(at + 16);
  expect(image.sym('two.two')).toBe(at + 32);
  expect(image.symbolAt(at + 3)).toBe('two+0x3');
  expect(image.symbolAt(0x1234)).toBe('0x1234');
  expect(() => image.sym('three')).toThrow('the kernel has no symbol three');
});

test('KERN-22: a symbol that two modules define is refused', () => {
  const { spec: base } = toyImage({ twice: leaf(() => 0) });
  const modules = { ...base.modules, other: { text: { twice: leaf(() => 0) } } };
  expect(() => new KernelImage({ ...base, modules }, new Uint8Array(20))).toThrow(
    'symbol twice is defined twice',
  );
});
