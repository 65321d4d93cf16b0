import { expect, test } from 'vitest';
import { statementsOf, without } from '../src/statements.ts';

const SOURCE = `
export const text = {
  xbd_suspend: routine(locals, {
    start: (m, l) => {
      const sc = m.at(l.sc);
      m.silence(sc);
      if (sc.busy > 0) return call('start');
      return done(1);
    },
  }),
  xbd_attach: leaf((m) => m.create()),
};
class Xengnt {
  suspend(): void {
    for (const i of this.frames) this.pmap.kremove(i);
  }
  grant(): void {
    this.used++;
  }
}
`;

test('statements of suspend and resume routines are found, those of others are not', () => {
  expect(statementsOf(SOURCE).map(({ routine, text }) => [routine, text])).toEqual([
    ['xbd_suspend.start', 'm.silence(sc);'],
    ['xbd_suspend.start', "if (sc.busy > 0) return call('start');"],
    ['suspend', 'for (const i of this.frames) this.pmap.kremove(i);'],
    ['suspend', 'this.pmap.kremove(i);'],
  ]);
});

test('a statement is taken out and nothing else', () => {
  const [statement] = statementsOf(SOURCE);
  if (statement === undefined) throw new Error('no statement');
  expect(without(SOURCE, statement)).toBe(SOURCE.replace('m.silence(sc);', ';'));
});
