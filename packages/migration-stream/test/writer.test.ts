import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BATCH_MAX, ImageWriter, MemoryImage, WriterBug } from '../src/index.ts';
import { readImage } from './bytes.ts';

const CALLS = {
  xlHeader: (w: ImageWriter) => w.xlHeader('{}'),
  libxlHeader: (w: ImageWriter) => w.libxlHeader(),
  libxcContext: (w: ImageWriter) => w.libxcContext(),
  imageHeader: (w: ImageWriter) => w.imageHeader(),
  domainHeader: (w: ImageWriter) => w.domainHeader(4, 17),
  x86PvInfo: (w: ImageWriter) => w.x86PvInfo(),
  cpuidPolicy: (w: ImageWriter) => w.cpuidPolicy(new Uint8Array(24)),
  msrPolicy: (w: ImageWriter) => w.msrPolicy(new Uint8Array(16)),
  staticDataEnd: (w: ImageWriter) => w.staticDataEnd(),
  p2mFrames: (w: ImageWriter) => w.p2mFrames(15, Int32Array.of(9)),
  pageData: (w: ImageWriter) => w.pageData(Int32Array.of(3), Uint8Array.of(15), []),
  tscInfo: (w: ImageWriter) => w.tscInfo({ mode: 0, khz: 1, nsec: 2n, incarnation: 3 }),
  sharedInfo: (w: ImageWriter) => w.sharedInfo(new Uint8Array(4096)),
  vcpuBasic: (w: ImageWriter) => w.vcpuBasic(0, new Uint8Array(5168)),
  vcpuExtended: (w: ImageWriter) => w.vcpuExtended(0, new Uint8Array(64)),
  vcpuXsave: (w: ImageWriter) => w.vcpuXsave(0, new Uint8Array(592)),
  vcpuMsrs: (w: ImageWriter) => w.vcpuMsrs(0, new Uint8Array(16)),
  end: (w: ImageWriter) => w.end(),
  libxlEnd: (w: ImageWriter) => w.libxlEnd(),
} as const;
type Call = keyof typeof CALLS;
const ALL = Object.keys(CALLS) as Call[];

/** A writer that has been through these calls. */
const after = (...calls: readonly Call[]): { writer: ImageWriter; sink: MemoryImage } => {
  const sink = new MemoryImage();
  const writer = new ImageWriter(sink);
  for (const call of calls) CALLS[call](writer);
  return { writer, sink };
};
const before = (call: Call): Call[] => ALL.slice(0, ALL.indexOf(call));

describe('MIG-30: records go out in the order of Xen', () => {
  test('all of them', () => {
    const { sink, writer } = after(...ALL);
    expect(sink.bytes.length).toBe(writer.offset);
    expect(readImage(sink.bytes).kind).toBe('xl');
  });

  test('from the libxl header, or from the image header', () => {
    expect(readImage(after(...ALL.slice(1)).sink.bytes).kind).toBe('libxl');
    expect(readImage(after(...ALL.slice(3, -1)).sink.bytes).kind).toBe('libxc');
  });

  const optional: Call[] = ['cpuidPolicy', 'msrPolicy', 'vcpuExtended', 'vcpuXsave', 'vcpuMsrs'];
  test('some may be left out', () => {
    fc.assert(
      fc.property(fc.subarray(optional), (left) => {
        const calls = ALL.filter((call) => !left.includes(call));
        expect(readImage(after(...calls).sink.bytes).kind).toBe('xl');
      }),
    );
  });

  const needed = ALL.slice(3).filter((call) => !optional.includes(call) && call !== 'end');
  test.each(needed.slice(0, -1))('%s may not', (left) => {
    expect(() => after(...ALL.slice(3, -1).filter((call) => call !== left))).toThrow(WriterBug);
  });

  test('nothing goes out twice but page data', () => {
    for (const call of ALL) {
      const again = () => CALLS[call](after(...before(call), call).writer);
      if (call === 'pageData') again();
      else expect(again, call).toThrow(WriterBug);
    }
  });

  test('after VERIFY come pages again, and not another VERIFY', () => {
    const { writer } = after(...before('tscInfo'));
    writer.verify();
    expect(() => writer.verify()).toThrow('expected pageData after verify, found verify');
    expect(() => CALLS.tscInfo(writer)).toThrow(WriterBug);
    CALLS.pageData(writer);
    CALLS.tscInfo(writer);
  });

  test('whatever is called in whatever order, what has gone out is readable or the writer refuses', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...ALL), { maxLength: 25 }), (calls) => {
        const sink = new MemoryImage();
        const writer = new ImageWriter(sink);
        const done: Call[] = [];
        for (const call of [...before('pageData').slice(3), ...calls]) {
          const { offset } = writer;
          try {
            CALLS[call](writer);
            done.push(call);
          } catch (error) {
            expect(error).toBeInstanceOf(WriterBug);
            expect(writer.offset).toBe(offset);
            break;
          }
        }
        if (done.includes('end')) expect(readImage(sink.bytes).kind).toBe('libxc');
      }),
    );
  });

  test('a bare stream has no libxl end, and a refusal says what could come', () => {
    expect(() => after(...ALL.slice(3))).toThrow('expected nothing after the end of a bare stream');
    expect(() => after('xlHeader', 'imageHeader')).toThrow(
      'expected libxlHeader after xlHeader, found imageHeader (offset 55 of the image)',
    );
  });

  test('vCPUs ascend from 0, and what follows BASIC is of the same', () => {
    const context = new Uint8Array(5168);
    const { writer } = after(...before('vcpuBasic').slice(3));
    expect(() => writer.vcpuBasic(1, context)).toThrow('expected vCPU 0, found vCPU 1');
    writer.vcpuBasic(0, context);
    expect(() => writer.vcpuXsave(1, new Uint8Array(592))).toThrow('expected vCPU 0, found vCPU 1');
    const second = after(...before('vcpuExtended').slice(3)).writer;
    second.vcpuBasic(4, context);
    expect(() => second.vcpuBasic(4, context)).toThrow('expected a vCPU above 4, found vCPU 4');
  });
});

describe('MIG-31: sizes are those that restore code takes', () => {
  const refuses = (call: Call, act: (writer: ImageWriter) => void) => {
    const { writer } = after(...before(call));
    expect(() => act(writer), call).toThrow(WriterBug);
  };

  test('of policies, shared_info and vCPU records', () => {
    for (const size of [0, 23, 25])
      refuses('cpuidPolicy', (w) => w.cpuidPolicy(new Uint8Array(size)));
    for (const size of [0, 15, 24]) refuses('msrPolicy', (w) => w.msrPolicy(new Uint8Array(size)));
    for (const size of [0, 4095, 4097])
      refuses('sharedInfo', (w) => w.sharedInfo(new Uint8Array(size)));
    for (const size of [0, 5167, 5176])
      refuses('vcpuBasic', (w) => w.vcpuBasic(0, new Uint8Array(size)));
    for (const size of [0, 129])
      refuses('vcpuExtended', (w) => w.vcpuExtended(0, new Uint8Array(size)));
    for (const size of [0, 15]) refuses('vcpuXsave', (w) => w.vcpuXsave(0, new Uint8Array(size)));
    for (const size of [0, 8]) refuses('vcpuMsrs', (w) => w.vcpuMsrs(0, new Uint8Array(size)));
  });

  test('of the P2M', () => {
    refuses('p2mFrames', (w) => w.p2mFrames(511, Int32Array.of(9, 10)));
    refuses('p2mFrames', (w) => w.p2mFrames(512, Int32Array.of(9)));
    refuses('p2mFrames', (w) => w.p2mFrames(511, Int32Array.of(512)));
    refuses('p2mFrames', (w) => w.p2mFrames(511, Int32Array.of(-1)));
  });

  test('of batches', () => {
    const page = new Uint8Array(4096);
    const pfns = (n: number) => new Int32Array(n);
    const types = (n: number, type: number) => new Uint8Array(n).fill(type);
    refuses('pageData', (w) => w.pageData(pfns(0), types(0, 0), []));
    refuses('pageData', (w) => w.pageData(pfns(BATCH_MAX + 1), types(BATCH_MAX + 1, 15), []));
    refuses('pageData', (w) => w.pageData(pfns(2), types(1, 15), []));
    refuses('pageData', (w) => w.pageData(pfns(1), types(1, 0), []));
    refuses('pageData', (w) => w.pageData(pfns(1), types(1, 14), [page]));
    refuses('pageData', (w) => w.pageData(pfns(1), types(1, 5), [page]));
    refuses('pageData', (w) => w.pageData(pfns(1), types(1, 16), [page]));
    refuses('pageData', (w) => w.pageData(Int32Array.of(16), types(1, 15), []));
    refuses('pageData', (w) => w.pageData(Int32Array.of(-1), types(1, 15), []));
  });
});

test('MIG-32: bodies are padded with zeros to a multiple of 8', () => {
  for (let size = 1; size <= 16; size++) {
    const { writer, sink } = after(...before('vcpuExtended').slice(3));
    const start = writer.offset;
    writer.vcpuExtended(0, new Uint8Array(size).fill(1));
    const padding = Math.ceil(size / 8) * 8 - size;
    expect(writer.offset - start).toBe(8 + 8 + size + padding);
    expect([...sink.bytes.subarray(start + 15)]).toEqual([
      0,
      ...new Array(size).fill(1),
      ...new Array(padding).fill(0),
    ]);
  }
});

test('MIG-33: pages go to the sink as the chunks they came in', () => {
  const writes: (readonly Uint8Array[])[] = [];
  const writer = new ImageWriter({ write: (chunks) => writes.push(chunks) });
  for (const call of before('pageData').slice(3)) CALLS[call](writer);
  const run = new Uint8Array(2 * 4096);
  const page = new Uint8Array(4096);
  writer.pageData(Int32Array.of(0, 1, 2, 3), Uint8Array.of(0, 15, 1, 12), [run, page]);
  const last = writes.at(-1);
  expect(last?.length).toBe(3);
  expect(last?.[0]?.length).toBe(8 + 8 + 4 * 8);
  expect(last?.[1]).toBe(run);
  expect(last?.[2]).toBe(page);
});
