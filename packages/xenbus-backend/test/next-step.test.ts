import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type BothEnds, nextStep } from '../src/next-step.ts';
import { stateOf } from '../src/state-of.ts';

const ends = (own: number, front: number, more: Partial<BothEnds> = {}): BothEnds => ({
  own,
  front,
  online: true,
  mapped: false,
  readyAt: 3,
  ...more,
});

test('BACK-1: a state node is a digit of a known state, Unknown, or Closed when it is not there', () => {
  expect(['0', '4', '8'].map(stateOf)).toEqual([0, 4, 8]);
  expect(['9', '-1', '4294967300', '', '4 ', '0x4', 'banana', '44'].map(stateOf)).toEqual(
    Array(8).fill(0),
  );
  expect(stateOf(undefined)).toBe(6);
});

test('BACK-2: a front end that is Initialised or Connected is connected once', () => {
  expect(nextStep(ends(2, 3))).toBe('connect');
  expect(nextStep(ends(2, 4))).toBe('connect');
  expect(nextStep(ends(4, 4, { mapped: true }))).toBe('wait');
  expect(nextStep(ends(2, 1))).toBe('wait');
  expect(nextStep(ends(5, 4))).toBe('wait');
});

test('BACK-2: a front end that is ready when it is Connected is not connected before', () => {
  expect(nextStep(ends(2, 3, { readyAt: 4 }))).toBe('wait');
  expect(nextStep(ends(2, 4, { readyAt: 4 }))).toBe('connect');
});

test('BACK-3: Closing is answered by draining, Closed and gone by Closed', () => {
  expect(nextStep(ends(4, 5, { mapped: true }))).toBe('drain');
  expect(nextStep(ends(2, 5))).toBe('close');
  expect(nextStep(ends(5, 5))).toBe('wait');
  expect(nextStep(ends(4, 6, { mapped: true }))).toBe('abandon');
  expect(nextStep(ends(6, 6))).toBe('wait');
});

test('BACK-3: a device that stays can be opened again; one that is being removed cannot', () => {
  expect(nextStep(ends(6, 1))).toBe('reopen');
  expect(nextStep(ends(6, 1, { online: false }))).toBe('wait');
  expect(nextStep(ends(2, 3, { online: false }))).toBe('wait');
});

test('BACK-3: removal waits for a connected front end and for no other', () => {
  const removal = { online: false };
  expect(nextStep(ends(4, 4, { ...removal, mapped: true }))).toBe('wait');
  expect(nextStep(ends(2, 1, removal))).toBe('abandon');
  expect(nextStep(ends(2, 0, removal))).toBe('abandon');
});

test('BACK-2: only a back end in InitWait connects, and none does after it has closed', () => {
  const state = fc.integer({ min: 0, max: 8 });
  fc.assert(
    fc.property(state, state, fc.boolean(), fc.boolean(), (own, front, online, mapped) => {
      const step = nextStep({ own, front, online, mapped, readyAt: 3 });
      if (step === 'connect') expect([own, online]).toEqual([2, true]);
      if (own === 6) expect(['wait', 'reopen']).toContain(step);
    }),
  );
});
