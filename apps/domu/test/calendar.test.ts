import fc from 'fast-check';
import { expect, test } from 'vitest';
import { calendarOf, dateText, parseDate, secondsOf } from '../src/programs/calendar.ts';

const SECONDS = { min: -62_135_596_800, max: 253_402_300_799 };

test('every second of the years 1 to 9999 is the date that it is elsewhere', () => {
  fc.assert(
    fc.property(fc.integer(SECONDS), (seconds) => {
      const date = new Date(seconds * 1000);
      expect(calendarOf(seconds)).toEqual({
        year: date.getUTCFullYear(),
        month: date.getUTCMonth() + 1,
        day: date.getUTCDate(),
        hour: date.getUTCHours(),
        minute: date.getUTCMinutes(),
        second: date.getUTCSeconds(),
        weekday: date.getUTCDay(),
      });
      expect(secondsOf(calendarOf(seconds))).toBe(seconds);
    }),
  );
});

test('dates are printed as date(1) prints them', () => {
  expect(dateText(1_767_225_600)).toBe('Thu Jan  1 00:00:00 UTC 2026');
  expect(dateText(951_782_399)).toBe('Mon Feb 28 23:59:59 UTC 2000');
});

test.each([
  ['202602282359.58', 1_772_323_198],
  ['2602282359', 1_772_323_140],
  ['9912312359', 946_684_740],
  ['02282359', 1_772_323_140],
  ['202802290000', 1_835_395_200],
])('%s is read', (text, seconds) => {
  expect(parseDate(text, 1_767_225_600)).toBe(seconds);
});

test.each([
  '',
  '1',
  '202602290000',
  '202613010000',
  '202600010000',
  '202601012400',
  '202601010060',
  'x',
  '202601010000.60',
])('%o is no date', (text) => {
  expect(parseDate(text, 1_767_225_600)).toBeUndefined();
});
