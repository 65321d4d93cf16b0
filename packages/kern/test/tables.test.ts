import { array, i64, struct } from '@port-xen/layout';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DVF_ACTIVE, leaf, MSGBUF_SIZE, type Text } from '../src/index.ts';
import { KernelRun, MODES, type Toy, toyImage } from './kernel-run.ts';

const tables_test = struct('tables_test', { devices: array(i64, 40) });

const text: Text<Toy> = {
  /** (from, to): prints the numbers. */
  toy_print: leaf((m, from, to) => {
    for (let n = from; n < to; n++) m.kern.msgbuf.printf(`${n},`);
  }),
  /** (from) → how many bytes of text there are from a byte on; their sum is written down. */
  toy_text: leaf((m, from) => {
    const bytes = m.kern.msgbuf.textFrom(from);
    m.write(bytes.reduce((sum, byte, i) => (sum * 31 + byte + i) % 1_000_003, 0));
    return bytes.length;
  }),
  toy_written: leaf((m) => m.kern.msgbuf.written),
  toy_console: leaf((m) => m.kern.msgbuf.setConsole(m.kern.cpu.sym('toy_look'))),
  toy_look: leaf((m) => m.write(m.kern.msgbuf.written)),
  toy_attach: leaf((m, id, parent) => {
    const devices = tables_test.at(m.kern.cpu.memory, m.data).devices;
    const up = parent < 0 ? 0 : devices.get(parent);
    const dv = m.kern.autoconf.attach(`dev${id}`, up, 0);
    devices.set(id, dv.address);
    return dv.dv_depth;
  }),
  toy_active: leaf(
    (m) => m.kern.autoconf.devices().filter((dv) => dv.dv_flags & DVF_ACTIVE).length,
  ),
  /** (id): /dev/toyID, with an opener of its own that has a close. */
  toy_cdev: leaf((m, id, close) => {
    const { cdevsw, cpu } = m.kern;
    cdevsw.attach(`toy${id}`, id, { read: cpu.sym('toy_look') });
    if (close !== 0) cdevsw.at(cdevsw.lookup(`toy${id}`)).d_close = close;
  }),
  toy_cdev_gone: leaf((m, id) => m.kern.cdevsw.detach(`toy${id}`)),
  toy_lookup: leaf((m, id) => m.kern.cdevsw.lookup(`toy${id}`)),
  toy_close_of: leaf((m, id) => m.kern.cdevsw.at(m.kern.cdevsw.lookup(`toy${id}`)).d_close),
  toy_call_data: leaf((m) => m.kern.cpu.call(m.data)),
  toy_softc_of: leaf((m, entry) => m.kern.cdevsw.at(entry).d_softc),
};

const image = toyImage(text, tables_test);
const NAMES = 26;

describe.each(MODES)('%s', (_, amnesia) => {
  test('KERN-20: the message buffer keeps the last 32 KiB; the console is told of new text, and of what was there', () => {
    const run = new KernelRun(image, amnesia);
    run.call('toy_print', 0, 2);
    run.call('toy_console');
    run.call('toy_print', 2, 4);
    expect(run.log).toEqual([4, 6, 8]);
    const full = new KernelRun(image, amnesia);
    full.call('toy_print', 1000, 8000);
    const written = 7000 * 5;
    expect(full.call('toy_written')).toBe(written);
    expect(full.call('toy_text', 0)).toBe(MSGBUF_SIZE);
    expect(full.call('toy_text', written - 10)).toBe(10);
    expect(full.call('toy_text', written)).toBe(0);
  });

  test("KERN-21: a device's depth is one more than its parent's; more than 32 are a panic", () => {
    const run = new KernelRun(image, amnesia);
    const depths = [-1, 0, 0, 1, 3].map((parent, id) => run.call('toy_attach', id, parent));
    expect(depths).toEqual([0, 1, 1, 2, 3]);
    expect(run.call('toy_active')).toBe(5);
    const many = () => {
      for (let id = 5; id < 40; id++) run.call('toy_attach', id, 0);
    };
    expect(many).toThrow('panic: expected at most 32 devices');
  });

  test('KERN-21: a name is looked up, taken away, and its entry used for another device, as new', () => {
    const run = new KernelRun(image, amnesia);
    run.call('toy_cdev', 1, image.sym('toy_look'));
    const entry = run.call('toy_lookup', 1);
    expect(run.call('toy_lookup', 2)).toBe(0);
    run.call('toy_cdev_gone', 1);
    expect(run.call('toy_lookup', 1)).toBe(0);
    // Whoever has it open still reaches it.
    expect(run.call('toy_softc_of', entry)).toBe(1);
    run.call('toy_cdev', 2, 0);
    expect(run.call('toy_lookup', 2)).toBe(entry);
    expect(run.call('toy_close_of', 2)).toBe(0);
    const many = () => {
      for (let id = 3; id < 40; id++) run.call('toy_cdev', id, 0);
    };
    expect(many).toThrow(`panic: expected at most ${NAMES} character devices`);
  });
});

test('KERN-23: a call of what is no function is a panic that says where it led', () => {
  const run = new KernelRun(image, true);
  expect(() => run.call('toy_call_data')).toThrow(
    'panic: expected a function at toy_data, found none that can be called',
  );
});

test('KERN-20: whatever is printed, the text from any byte on is what was printed from it on', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9000 }), fc.nat(40_000), (count, from) => {
      const run = new KernelRun(image, false);
      run.call('toy_print', 0, count);
      const all = Array.from({ length: count }, (_, n) => `${n},`).join('');
      const expected = all.slice(Math.max(from, all.length - MSGBUF_SIZE));
      expect(run.call('toy_text', Math.min(from, all.length))).toBe(expected.length);
      const sum = [...expected].reduce((s, c, i) => (s * 31 + c.charCodeAt(0) + i) % 1_000_003, 0);
      expect(run.log).toEqual([sum]);
    }),
    { numRuns: 25 },
  );
});
