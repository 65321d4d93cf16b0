import { array, i64, struct, u32 } from '@port-xen/layout';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  call,
  DEV_BSIZE,
  done,
  leaf,
  MAXPHYS,
  PAGE_SIZE,
  routine,
  type Text,
} from '../src/index.ts';
import { KernelRun, MODES, type Toy, toyImage } from './kernel-run.ts';

const EIO = 5;
/** A buffer of the kernel's, at the start of a page. */
const BUFFER = -0x8000_0000 + 0x38_0000;

const disk_test = struct('disk_test', {
  /** Bufs that the disk has and has not answered, oldest first. */
  count: u32,
  bufs: array(i64, 16),
  most: u32,
});
const locals = struct('disk_locals', { pad: i64 });
const d = (m: Toy) => disk_test.at(m.kern.cpu.memory, m.data);

const text: Text<Toy> = {
  toy_strategy: leaf((m, _softc, bp) => {
    const data = d(m);
    data.bufs.set(data.count++, bp);
    data.most = Math.max(data.most, data.count);
    const { b_blkno, b_bcount, b_data } = m.kern.bufs.at(bp);
    m.write(b_blkno);
    m.write(b_bcount);
    m.write(b_data - BUFFER);
  }),
  /** (error, resid): answers the buf that has waited longest. */
  toy_answer: leaf((m, error, resid) => {
    const data = d(m);
    const bp = m.kern.bufs.at(data.bufs.get(0));
    data.count--;
    for (let i = 0; i < data.count; i++) data.bufs.set(i, data.bufs.get(i + 1));
    bp.b_error = error;
    bp.b_resid = error === 0 ? resid : bp.b_bcount;
    m.kern.bufs.done(bp);
  }),
  toy_waiting: leaf((m) => d(m).count),
  toy_most: leaf((m) => d(m).most),
  /** (length): offset and start are in the scratch that follows. */
  toy_physio: routine(locals, {
    start: (m, _, length) => {
      const offset = 10 * DEV_BSIZE;
      const strategy = m.kern.cpu.sym('toy_strategy');
      return call('over', m.kern.cpu.sym('physio'), strategy, 0, 1, offset, BUFFER + 512, length);
    },
    over: (m, _, result) => {
      m.write(-1);
      m.write(result);
      return done();
    },
  }),
  /** (n): takes n bufs for good. */
  toy_take: leaf((m, n) => {
    for (let i = 0; i < n; i++) m.kern.bufs.get();
  }),
};

const image = toyImage(text, disk_test);

/** Answers everything, and gives what physio returned. */
const answerAll = (run: KernelRun): number => {
  while (run.call('toy_waiting') > 0) {
    run.call('toy_answer', 0, 0);
    run.settle();
  }
  expect(run.log.at(-2)).toBe(-1);
  return run.log.at(-1) as number;
};

describe.each(MODES)('%s', (_, amnesia) => {
  test('KERN-19: a transfer is cut into pieces of eleven pages, four under way at once', () => {
    const run = new KernelRun(image, amnesia);
    const length = 6 * MAXPHYS;
    run.spawn('toy_physio', length);
    run.settle();
    expect(run.call('toy_waiting')).toBe(4);
    // The first one starts within a page and so ends with one.
    expect(run.log.slice(0, 6)).toEqual([
      10,
      MAXPHYS - 512,
      512,
      10 + MAXPHYS / DEV_BSIZE - 1,
      MAXPHYS,
      MAXPHYS,
    ]);
    expect(answerAll(run)).toBe(length);
    expect(run.call('toy_most')).toBe(4);
  });

  test('KERN-19: the first error ends it; what was moved before it counts', () => {
    const run = new KernelRun(image, amnesia);
    run.spawn('toy_physio', 6 * MAXPHYS);
    run.settle();
    run.call('toy_answer', 0, 0);
    run.call('toy_answer', EIO, 0);
    run.settle();
    expect(answerAll(run)).toBe(MAXPHYS - 512);
  });

  test('KERN-19: an error before anything was moved is the result', () => {
    const run = new KernelRun(image, amnesia);
    run.spawn('toy_physio', 2 * PAGE_SIZE);
    run.settle();
    run.call('toy_answer', EIO, 0);
    run.settle();
    expect(run.log.at(-1)).toBe(-EIO);
  });

  test('KERN-19: without a free buf it waits for one', () => {
    const run = new KernelRun(image, amnesia);
    run.call('toy_take', 15);
    run.spawn('toy_physio', 2 * MAXPHYS);
    run.settle();
    expect(run.call('toy_waiting')).toBe(1);
    expect(answerAll(run)).toBe(2 * MAXPHYS);
  });
});

test('KERN-19: whatever the length, the pieces make it up without gap', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), (sectors) => {
      const run = new KernelRun(image, false);
      run.spawn('toy_physio', sectors * DEV_BSIZE);
      run.settle();
      expect(answerAll(run)).toBe(sectors * DEV_BSIZE);
      let block = 10;
      let at = 512;
      for (let i = 0; run.log[i] !== -1; i += 3) {
        const [blkno, length, start] = run.log.slice(i, i + 3) as [number, number, number];
        expect([blkno, start]).toEqual([block, at]);
        const lastPage = Math.floor((start + length - 1) / PAGE_SIZE);
        expect(lastPage - Math.floor(start / PAGE_SIZE)).toBeLessThan(11);
        block += length / DEV_BSIZE;
        at += length;
      }
      expect(at - 512).toBe(sectors * DEV_BSIZE);
    }),
    { numRuns: 20 },
  );
});
